import { createHash } from 'node:crypto';
import { equalJson, type JsonObject, type KubeObject, numberAt, objectAt, objectsAt, stringMapAt, textAt } from '../apiserver/object.ts';
import type { ControllerClient } from './client.ts';
import { type Controller, keyOfObject, splitKey } from './loop.ts';
import { isReady } from './pods.ts';

const SLICES = 'endpointslices.discovery.k8s.io';
const SERVICE_LABEL = 'kubernetes.io/service-name';
const MANAGER_LABEL = 'endpointslice.kubernetes.io/managed-by';
const MANAGER = 'endpointslice-controller.k8s.io';

/** The port of a pod that a service port means; undefined when the pod has no port of that name. */
export function resolvePort(pod: KubeObject, port: JsonObject): number | undefined {
  const target = port['targetPort'] ?? port['port'];
  if (typeof target === 'number') return target;
  const protocol = textAt(port, 'protocol') || 'TCP';
  const containers = [
    ...objectsAt(pod, 'spec', 'containers'),
    ...objectsAt(pod, 'spec', 'initContainers').filter((item) => item['restartPolicy'] === 'Always'),
  ];
  const named = containers
    .flatMap((container) => objectsAt(container, 'ports'))
    .find((item) => item['name'] === target && (textAt(item, 'protocol') || 'TCP') === protocol);
  return numberAt(named, 'containerPort');
}

interface Group {
  readonly ports: JsonObject[];
  readonly endpoints: JsonObject[];
  readonly addresses: { address: JsonObject; ready: boolean }[];
}

/** The endpoints of a service, grouped by the ports they serve. */
export function groupEndpoints(service: KubeObject, pods: readonly KubeObject[]): Group[] {
  const publish = objectAt(service, 'spec')?.['publishNotReadyAddresses'] === true;
  const groups = new Map<string, Group>();
  for (const pod of pods) {
    const ip = textAt(pod, 'status', 'podIP');
    const phase = textAt(pod, 'status', 'phase');
    if (ip === '' || phase === 'Succeeded' || phase === 'Failed') continue;
    const ports = objectsAt(service, 'spec', 'ports').flatMap((port): JsonObject[] => {
      const number = resolvePort(pod, port);
      const appProtocol = textAt(port, 'appProtocol');
      return number === undefined
        ? []
        : [
            {
              name: textAt(port, 'name'),
              port: number,
              protocol: textAt(port, 'protocol') || 'TCP',
              ...(appProtocol === '' ? {} : { appProtocol }),
            },
          ];
    });
    if (ports.length === 0 && objectsAt(service, 'spec', 'ports').length > 0) continue;
    const terminating = pod.metadata.deletionTimestamp !== undefined;
    const serving = isReady(pod);
    const ready = publish || (serving && !terminating);
    const targetRef = { kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid ?? '' };
    const nodeName = textAt(pod, 'spec', 'nodeName');
    const hostname = textAt(pod, 'spec', 'subdomain') === service.metadata.name ? textAt(pod, 'spec', 'hostname') : '';
    const common: JsonObject = { ...(nodeName === '' ? {} : { nodeName }), ...(hostname === '' ? {} : { hostname }), targetRef };
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [], addresses: [] };
    groups.set(key, group);
    group.endpoints.push({ addresses: [ip], conditions: { ready, serving: publish || serving, terminating }, ...common });
    if (ready || !terminating) group.addresses.push({ address: { ip, ...common }, ready });
  }
  return [...groups.values()];
}

/** Keeps EndpointSlices and Endpoints of every service with a selector. */
export function endpointsController(client: ControllerClient): Controller {
  const servicesOf = (namespace: string, labels: Readonly<Record<string, string>>) =>
    client.list('services', namespace).filter((service) => {
      const selector = Object.entries(stringMapAt(service, 'spec', 'selector'));
      return selector.length > 0 && selector.every(([key, value]) => labels[key] === value);
    });
  return {
    name: 'endpointslice',
    keysOf: ({ type, resource, object, previous }) => {
      if (resource === 'services') return type === 'DELETED' ? [] : [keyOfObject(object)];
      const { namespace = '' } = object.metadata;
      if (resource === 'pods') {
        const labels = [object.metadata.labels ?? {}, previous?.metadata.labels ?? {}];
        return [...new Set(labels.flatMap((set) => servicesOf(namespace, set).map(keyOfObject)))];
      }
      const service =
        resource === SLICES && object.metadata.labels?.[MANAGER_LABEL] === MANAGER ? object.metadata.labels[SERVICE_LABEL] : undefined;
      return service !== undefined && type === 'DELETED' ? [`${namespace}/${service}`] : [];
    },
    initialKeys: () => client.list('services').map(keyOfObject),
    reconcile: async (key) => {
      const [namespace, name] = splitKey(key);
      const service = client.get('services', namespace, name);
      if (
        service === undefined ||
        service.metadata.deletionTimestamp !== undefined ||
        client.get('namespaces', '', namespace)?.metadata.deletionTimestamp !== undefined
      )
        return undefined;
      const selector = Object.entries(stringMapAt(service, 'spec', 'selector'));
      if (selector.length === 0) return undefined;
      const pods = client
        .list('pods', namespace)
        .filter((pod) => selector.every(([label, value]) => pod.metadata.labels?.[label] === value));
      const groups = groupEndpoints(service, pods);
      await writeSlices(client, service, groups);
      await writeEndpoints(client, service, groups);
      return undefined;
    },
  };
}

async function writeSlices(client: ControllerClient, service: KubeObject, groups: readonly Group[]): Promise<void> {
  const { name, namespace = '', uid = '' } = service.metadata;
  const isHeadless = textAt(service, 'spec', 'clusterIP') === 'None';
  const labels = {
    ...service.metadata.labels,
    ...(isHeadless ? { 'service.kubernetes.io/headless': '' } : {}),
    [MANAGER_LABEL]: MANAGER,
    [SERVICE_LABEL]: name,
  };
  const existing = client
    .list(SLICES, namespace)
    .filter((slice) => slice.metadata.labels?.[SERVICE_LABEL] === name && slice.metadata.labels?.[MANAGER_LABEL] === MANAGER);
  // A service without endpoints keeps one empty slice, as clusters do.
  const wanted = groups.length > 0 ? groups : [{ ports: [], endpoints: [], addresses: [] }];
  const kept = new Set<string>();
  for (const [index, { ports, endpoints }] of wanted.entries()) {
    const reusable =
      existing.find((slice) => !kept.has(slice.metadata.name) && equalJson(slice['ports'], ports)) ??
      existing.find((slice) => !kept.has(slice.metadata.name) && index === 0);
    if (reusable === undefined) {
      const suffix = createHash('sha256')
        .update(`${uid}/${JSON.stringify(ports)}/${index}`)
        .digest('hex')
        .slice(0, 5);
      const ownerReferences = [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true }];
      const slice: KubeObject = {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: `${name}-${suffix}`, namespace, labels, ownerReferences },
        addressType: 'IPv4',
        endpoints,
        ports,
      };
      kept.add(slice.metadata.name);
      await client.ensure(SLICES, slice);
    } else {
      kept.add(reusable.metadata.name);
      const isSame =
        equalJson(reusable['endpoints'], endpoints) && equalJson(reusable['ports'], ports) && equalJson(reusable.metadata.labels, labels);
      if (!isSame) await client.update(SLICES, { ...reusable, metadata: { ...reusable.metadata, labels }, endpoints, ports });
    }
  }
  for (const slice of existing) if (!kept.has(slice.metadata.name)) await client.delete(SLICES, slice);
}

async function writeEndpoints(client: ControllerClient, service: KubeObject, groups: readonly Group[]): Promise<void> {
  const { name, namespace = '', labels = {} } = service.metadata;
  const subsets = groups
    .filter(({ addresses }) => addresses.length > 0)
    .map(({ ports, addresses }): JsonObject => {
      const ready = addresses.filter((item) => item.ready).map((item) => item.address);
      const rest = addresses.filter((item) => !item.ready).map((item) => item.address);
      const named = ports.map(({ name: port, ...other }): JsonObject => (port === '' ? other : { name: port ?? '', ...other }));
      return { ...(ready.length > 0 ? { addresses: ready } : {}), ...(rest.length > 0 ? { notReadyAddresses: rest } : {}), ports: named };
    });
  const existing = client.get('endpoints', namespace, name);
  if (existing === undefined) {
    await client.ensure('endpoints', {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace, labels },
      ...(subsets.length > 0 ? { subsets } : {}),
    });
  } else if (!equalJson(existing['subsets'] ?? [], subsets) || !equalJson(existing.metadata.labels ?? {}, labels)) {
    await client.update('endpoints', { ...existing, metadata: { ...existing.metadata, labels }, subsets });
  }
}
