import type { AttributeValue } from '@xebec/expressions';
import { proxyFromNode, type XdsNode } from '@xebec/model';

/** What is known of the proxy that logs, once for its stream. */
export interface Reporter {
  /** Of a sidecar or gateway: `kubernetes://<pod>.<namespace>`; else the node's id as it is. */
  readonly uid: string;
  /** Attributes of the proxy's own workload without `source.` or `destination.` before them. */
  readonly own: ReadonlyMap<string, AttributeValue>;
  /** What its traffic is where clusters do not tell: gateways and clients call, all others are called. */
  readonly gateway: boolean;
  readonly logName: string;
  readonly version: string;
}

const text = (value: string): AttributeValue => ({ form: 'string', value });

/** Reads the identifier of a stream. A node that is none of a mesh is known by its id alone. */
export function readReporter(node: XdsNode | undefined, logName: string): Reporter {
  const own = new Map<string, AttributeValue>();
  const proxy = node === undefined ? undefined : proxyFromNode(node);
  if (node === undefined || proxy === undefined || !proxy.ok) {
    return { uid: node?.id ?? '', own, gateway: false, logName, version: '' };
  }
  const { name, namespace, labels, type, metadata } = proxy.value;
  const uid = `kubernetes://${name}.${namespace}`;
  const put = (key: string, value: unknown) => {
    if (typeof value === 'string' && value !== '') own.set(key, text(value));
  };
  put('uid', uid);
  put('name', name);
  put('namespace', namespace);
  put('owner', metadata['OWNER']);
  put('workload.name', metadata['WORKLOAD_NAME']);
  put('workload.namespace', namespace);
  if (Object.keys(labels).length > 0) own.set('labels', { form: 'stringMap', value: new Map(Object.entries(labels)) });
  const version = metadata['ISTIO_VERSION'];
  return { uid, own, gateway: type === 'router', logName, version: typeof version === 'string' ? version : '' };
}
