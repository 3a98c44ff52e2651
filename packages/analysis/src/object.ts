import type { SourceReference } from '@xebec/schemas';

/** Any Kubernetes object as it was read, mesh kinds and others alike. */
export interface RawObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  /** The whole document. */
  readonly content: Readonly<Record<string, unknown>>;
  readonly source?: SourceReference;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function strings(value: unknown): Record<string, string> {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

const CLUSTER_SCOPED = new Set(['Namespace', 'Node', 'CustomResourceDefinition', 'ClusterRole', 'ClusterRoleBinding']);

/** Reads the envelope; undefined when it is no Kubernetes object. */
export function toRawObject(content: unknown, defaultNamespace: string, source?: SourceReference): RawObject | undefined {
  if (!isRecord(content) || typeof content['apiVersion'] !== 'string' || typeof content['kind'] !== 'string') return undefined;
  const metadata = isRecord(content['metadata']) ? content['metadata'] : {};
  const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : defaultNamespace;
  return {
    apiVersion: content['apiVersion'],
    kind: content['kind'],
    metadata: {
      name: typeof metadata['name'] === 'string' ? metadata['name'] : '',
      namespace: CLUSTER_SCOPED.has(content['kind']) ? '' : namespace,
      labels: strings(metadata['labels']),
      annotations: strings(metadata['annotations']),
    },
    content,
    ...(source === undefined ? {} : { source }),
  };
}
