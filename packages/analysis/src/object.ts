import type { SourceReference } from '@xebec/schemas';
import { isRecord, stringMap } from './fields.ts';

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
  /** Cluster it was read from, where several are analysed together. */
  readonly cluster?: string;
}

const CLUSTER_SCOPED = new Set([
  'Namespace',
  'Node',
  'CustomResourceDefinition',
  'ClusterRole',
  'ClusterRoleBinding',
  'GatewayClass',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
]);

/** Reads the envelope; undefined when it is no Kubernetes object. */
export function toRawObject(content: unknown, defaultNamespace: string, source?: SourceReference, cluster?: string): RawObject | undefined {
  if (!isRecord(content) || typeof content['apiVersion'] !== 'string' || typeof content['kind'] !== 'string') return undefined;
  const metadata = isRecord(content['metadata']) ? content['metadata'] : {};
  const namespace = typeof metadata['namespace'] === 'string' && metadata['namespace'] !== '' ? metadata['namespace'] : defaultNamespace;
  return {
    apiVersion: content['apiVersion'],
    kind: content['kind'],
    metadata: {
      name: typeof metadata['name'] === 'string' ? metadata['name'] : '',
      namespace: CLUSTER_SCOPED.has(content['kind']) ? '' : namespace,
      labels: stringMap(metadata['labels']),
      annotations: stringMap(metadata['annotations']),
    },
    content,
    ...(source === undefined ? {} : { source }),
    ...(cluster === undefined ? {} : { cluster }),
  };
}
