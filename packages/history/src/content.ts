import { gunzipSync, gzipSync } from 'node:zlib';
import { decodeAny, isRecord, objectKey } from '@xebec/config';
import { err, ok, type Result } from '@xebec/core';
import { type ConfigObject, isMeshGroup } from '@xebec/schemas';

/** An object as users write it: without what the server adds. `body` holds its other top-level fields, such as `spec`. */
export interface StoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    /** Empty for cluster-scoped objects. */
    readonly namespace: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  };
  readonly body: Readonly<Record<string, unknown>>;
}

/** One object before and after; undefined where there is none. */
export interface ContentChange {
  readonly before: StoredObject | undefined;
  readonly after: StoredObject | undefined;
}

/** kubectl's own copy of what was applied: it repeats the object, and differs with the way it was written. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const SMI_GROUP = /^(split|access|specs)\.smi-spec\.io\//;
const SERVER_FIELDS = new Set(['apiVersion', 'kind', 'metadata', 'status']);

/** What etcd takes for one object is 1.5 MiB; beside the packed contents there are names. */
export const MAX_PACKED_BYTES = 900 * 1024;
const MAX_UNPACKED_BYTES = 64 * 1024 * 1024;

export function contentOf(object: ConfigObject): StoredObject {
  const { apiVersion, kind, metadata, spec } = object;
  const { name, namespace, labels } = metadata;
  const { [LAST_APPLIED]: _applied, ...annotations } = metadata.annotations;
  // Objects of the platform come whole, those of the mesh as a decoded spec.
  const whole = isRecord(spec) && 'metadata' in spec && 'kind' in spec;
  const body = whole ? Object.fromEntries(Object.entries(spec).filter(([field]) => !SERVER_FIELDS.has(field))) : { spec };
  return { apiVersion, kind, metadata: { name, namespace, labels, annotations }, body };
}

/** Whether an object is configuration of the mesh: its own kinds, those of SMI, and its ConfigMap. Secrets never are. */
export function isConfiguration({ apiVersion, kind, name }: { apiVersion: string; kind: string; name: string }): boolean {
  return isMeshGroup(apiVersion) || SMI_GROUP.test(apiVersion) || (apiVersion === 'v1' && kind === 'ConfigMap' && name === 'istio');
}

/** The content of an object as an API server returned it; undefined when it is no configuration, or cannot be read. */
export function contentOfRaw(raw: unknown): StoredObject | undefined {
  const { apiVersion, kind, metadata } = isRecord(raw) ? raw : {};
  const name = isRecord(metadata) ? metadata['name'] : undefined;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || typeof name !== 'string') return undefined;
  if (!isConfiguration({ apiVersion, kind, name })) return undefined;
  const decoded = decodeAny(raw, { defaultNamespace: '' });
  return decoded.ok && decoded.value !== undefined ? contentOf(decoded.value) : undefined;
}

/** The object of a content, as the gate publishes it in place of a stored one. */
export function objectOf(content: StoredObject): ConfigObject | undefined {
  const decoded = decodeAny(manifestOf(content), { defaultNamespace: '' });
  return decoded.ok ? decoded.value : undefined;
}

/** What is sent to an API server to store a content. */
export function manifestOf({ apiVersion, kind, metadata, body }: StoredObject): {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels: Record<string, string>; annotations: Record<string, string> };
} {
  const { name, namespace, labels, annotations } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === '' ? {} : { namespace }), labels: { ...labels }, annotations: { ...annotations } },
    ...body,
  };
}

export function contentKey(content: StoredObject): string {
  return objectKey(content);
}

/** The key of what a change is about. */
export function changeKey({ before, after }: ContentChange): string {
  const content = after ?? before;
  return content === undefined ? '' : contentKey(content);
}

/** A text that is the same exactly when two contents mean the same: the API version an object was written in does not count. */
export function canonical(content: StoredObject | undefined): string {
  if (content === undefined) return '';
  const { kind, metadata, body } = content;
  return JSON.stringify(sorted({ kind, metadata, body }));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sorted(item)]),
  );
}

/** Changes as base64 of gzipped JSON: configuration shrinks to about a tenth. */
export function packChanges(changes: readonly ContentChange[]): string {
  return gzipSync(JSON.stringify(changes)).toString('base64');
}

/** Undefined-able fields come back as such; an error says what is wrong with the text. */
export function unpackChanges(packed: string): Result<readonly ContentChange[], string> {
  if (packed.length > MAX_PACKED_BYTES * 2) return err(`content is longer than ${MAX_PACKED_BYTES * 2} characters`);
  let value: unknown;
  try {
    value = JSON.parse(gunzipSync(Buffer.from(packed, 'base64'), { maxOutputLength: MAX_UNPACKED_BYTES }).toString('utf8'));
  } catch (error) {
    return err(`content does not unpack: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(value)) return err('content is no list');
  const changes: ContentChange[] = [];
  for (const item of value) {
    if (!isRecord(item) || !isContent(item['before']) || !isContent(item['after'])) return err('content holds something that is no change');
    changes.push({ before: item['before'], after: item['after'] });
  }
  return ok(changes);
}

function isContent(value: unknown): value is StoredObject | undefined {
  if (value === undefined) return true;
  if (!isRecord(value) || typeof value['apiVersion'] !== 'string' || typeof value['kind'] !== 'string' || !isRecord(value['body']))
    return false;
  const metadata = value['metadata'];
  return (
    isRecord(metadata) &&
    typeof metadata['name'] === 'string' &&
    typeof metadata['namespace'] === 'string' &&
    isRecord(metadata['labels']) &&
    isRecord(metadata['annotations'])
  );
}
