import type { StreamInfo } from '@xebec/telemetry';

export interface ClusterService {
  readonly host?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly uid?: string;
}

/** By the `istio` part of a cluster's metadata, which is one object for as long as the cluster is. */
const known = new WeakMap<object, ClusterService>();

/** The service that a call goes to, as pilot writes it into the metadata of the cluster; undefined where it does not say. */
export function clusterService({ clusterMetadata }: Pick<StreamInfo, 'clusterMetadata'>): ClusterService | undefined {
  const istio = clusterMetadata?.['istio'];
  if (typeof istio !== 'object' || istio === null) return undefined;
  const found = known.get(istio);
  if (found !== undefined) return found;
  const services: unknown = Reflect.get(istio, 'services');
  const first: unknown = Array.isArray(services) ? services[0] : undefined;
  if (typeof first !== 'object' || first === null) return undefined;
  const service = read(first);
  known.set(istio, service);
  return service;
}

function read(fields: object): ClusterService {
  const text = (key: keyof ClusterService) => {
    const value: unknown = Reflect.get(fields, key);
    return typeof value === 'string' && value !== '' ? { [key]: value } : {};
  };
  const service: ClusterService = { ...text('host'), ...text('name'), ...text('namespace'), ...text('uid') };
  // A Kubernetes service is called by its own name, also where the control plane gives its host for one.
  const { host, name, namespace = '' } = service;
  if (name === undefined || name !== host || !name.includes(`.${namespace}.svc.`)) return service;
  return { ...service, name: name.split('.', 1)[0] ?? '' };
}
