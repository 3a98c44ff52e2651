import type { StreamInfo } from '@xebec/telemetry';

type Fields = Record<string, unknown>;

/** Adds fields to a namespace of the stream's dynamic metadata; a field that is there is replaced. */
export function setMetadata(info: StreamInfo, namespace: string, fields: Readonly<Fields>): void {
  info.dynamicMetadata.set(namespace, { ...info.dynamicMetadata.get(namespace), ...fields });
}

/** Merges as Envoy merges structs: objects field by field, lists one after the other, anything else the new value. */
export function mergeStruct(before: Readonly<Fields> | undefined, added: Readonly<Fields>): Fields {
  const merged: Fields = { ...before };
  for (const [key, value] of Object.entries(added)) {
    const old = merged[key];
    if (isFields(old) && isFields(value)) merged[key] = mergeStruct(old, value);
    else merged[key] = Array.isArray(old) && Array.isArray(value) ? [...old, ...value] : value;
  }
  return merged;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
