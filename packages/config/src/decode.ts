import { err, ok, type Result, type Violation } from '@xebec/core';
import { type ConfigObject, decodeObject, isMeshGroup, type ObjectMeta, type SourceReference } from '@xebec/schemas';

/** Kinds of Kubernetes that the mesh reads, with their resource paths; their `spec` in a ConfigObject is the whole object. */
export const PLATFORM_KINDS: Readonly<Record<string, string>> = {
  'v1/Service': '/api/v1/services',
  'v1/Pod': '/api/v1/pods',
  'v1/Node': '/api/v1/nodes',
  'v1/Namespace': '/api/v1/namespaces',
  'v1/ConfigMap': '/api/v1/configmaps',
  'discovery.k8s.io/v1/EndpointSlice': '/apis/discovery.k8s.io/v1/endpointslices',
  'networking.k8s.io/v1/Ingress': '/apis/networking.k8s.io/v1/ingresses',
  'networking.k8s.io/v1/IngressClass': '/apis/networking.k8s.io/v1/ingressclasses',
  ...smi('split.smi-spec.io', 'TrafficSplit', 'trafficsplits', 4),
  ...smi('access.smi-spec.io', 'TrafficTarget', 'traffictargets', 3),
  ...smi('specs.smi-spec.io', 'HTTPRouteGroup', 'httproutegroups', 4),
  ...smi('specs.smi-spec.io', 'TCPRoute', 'tcproutes', 4),
};

/** Kinds of the Service Mesh Interface had a version for each alpha. */
function smi(group: string, kind: string, plural: string, latest: number): Record<string, string> {
  const versions = Array.from({ length: latest }, (_, index) => `${group}/v1alpha${index + 1}`);
  return Object.fromEntries(versions.map((version) => [`${version}/${kind}`, `/apis/${version}/${plural}`]));
}

const CLUSTER_SCOPED = new Set(['Node', 'Namespace', 'IngressClass']);

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function stringRecord(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : value instanceof Date ? value.toISOString() : '';
}

/** Metadata of any Kubernetes object, with what is missing left empty. */
export function objectMeta(raw: Record<string, unknown>, defaultNamespace: string): ObjectMeta {
  const metadata = isRecord(raw['metadata']) ? raw['metadata'] : {};
  const generation = metadata['generation'];
  return {
    name: text(metadata['name']),
    namespace: text(metadata['namespace']) || defaultNamespace,
    labels: stringRecord(metadata['labels']),
    annotations: stringRecord(metadata['annotations']),
    creationTimestamp: text(metadata['creationTimestamp']),
    resourceVersion: text(metadata['resourceVersion']),
    uid: text(metadata['uid']),
    generation: typeof generation === 'number' ? generation : 0,
  };
}

/**
 * Decodes an object of any kind: the mesh's kinds with validation, the platform's as they are, and undefined for kinds that
 * are not the mesh's business, such as Deployments beside VirtualServices in one file.
 */
export function decodeAny(
  raw: unknown,
  options: { readonly defaultNamespace: string; readonly source?: SourceReference },
): Result<ConfigObject | undefined, Violation[]> {
  if (!isRecord(raw)) return err([{ path: '', message: 'expected a Kubernetes object, with apiVersion, kind and metadata' }]);
  const { apiVersion, kind } = raw;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string') {
    const missing = typeof apiVersion === 'string' ? 'kind' : 'apiVersion';
    return err([{ path: missing, message: `required field is missing: every document needs apiVersion and kind` }]);
  }
  if (isMeshGroup(apiVersion)) return decodeObject(raw, options);
  if (PLATFORM_KINDS[`${apiVersion}/${kind}`] === undefined) return ok(undefined);
  const metadata = objectMeta(raw, CLUSTER_SCOPED.has(kind) ? '' : options.defaultNamespace);
  if (metadata.name === '') return err([{ path: 'metadata.name', message: 'required field is missing' }]);
  return ok({ apiVersion, kind, metadata, spec: raw, ...(options.source === undefined ? {} : { source: options.source }) });
}
