import { isDeepStrictEqual } from 'node:util';
import type { JsonValue } from '@bufbuild/protobuf';

/** What stands in a change where nothing differs from before. */
const SAME = '=';
/** What stands where something that was there is no more. */
const GONE = '(gone)';

type JsonRecord = { readonly [key: string]: JsonValue };

/**
 * What a rule changes: resources that differ from those before it, by name. A new one is whole; of one that was there only
 * the fields that differ remain, with `=` for list elements that stayed.
 */
export function changes(before: readonly JsonValue[], after: readonly JsonValue[]): Record<string, JsonValue> {
  const old = byName(before);
  const now = byName(after);
  const out: Record<string, JsonValue> = {};
  for (const [name, resource] of now) {
    const previous = old.get(name);
    if (previous === undefined) out[name] = resource;
    else if (!isDeepStrictEqual(previous, resource)) out[name] = change(previous, resource);
  }
  for (const name of old.keys()) if (!now.has(name)) out[name] = GONE;
  return out;
}

function byName(resources: readonly JsonValue[]): Map<string, JsonValue> {
  return new Map(resources.map((resource) => [nameOf(resource) ?? '', resource]));
}

function nameOf(value: JsonValue): string | undefined {
  if (!isRecord(value)) return undefined;
  const name = value['name'] ?? value['clusterName'];
  return typeof name === 'string' ? name : undefined;
}

function change(before: JsonValue, after: JsonValue): JsonValue {
  if (Array.isArray(before) && Array.isArray(after)) return changeOfList(before, after);
  if (!isRecord(before) || !isRecord(after)) return after;
  // Another message is another thing: its fields have nothing to do with those before.
  if (before['@type'] !== after['@type']) return after;
  const out: Record<string, JsonValue> = {};
  for (const [key, value] of Object.entries(after)) {
    const previous = before[key];
    if (previous === undefined) out[key] = value;
    else if (!isDeepStrictEqual(previous, value)) out[key] = change(previous, value);
  }
  for (const key of Object.keys(before)) if (!(key in after)) out[key] = GONE;
  return out;
}

function changeOfList(before: readonly JsonValue[], after: readonly JsonValue[]): JsonValue {
  const seen = new Map<string, number>();
  return after.map((element, index) => {
    const name = nameOf(element);
    // Filter chains may share a name: the second is compared with the second.
    const turn = name === undefined ? 0 : (seen.get(name) ?? 0);
    if (name !== undefined) seen.set(name, turn + 1);
    const same = before.find((candidate) => isDeepStrictEqual(candidate, element));
    if (same !== undefined) return name === undefined ? SAME : `${SAME} ${name}`;
    const previous = name === undefined ? before[index] : before.filter((candidate) => nameOf(candidate) === name)[turn];
    if (previous === undefined || (name === undefined && before.length !== after.length)) return element;
    const changed = change(previous, element);
    return name === undefined || !isRecord(changed) ? changed : { name, ...changed };
  });
}

function isRecord(value: JsonValue | undefined): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
