import { at, define, equalJson, isObject, type Json, type JsonObject } from './object.ts';
import { badRequest } from './status.ts';

/** How a list merges: by a key, as a set of scalars, or not at all. */
type ListStrategy = { readonly kind: 'key'; readonly key: string } | { readonly kind: 'set' } | { readonly kind: 'atomic' };

/**
 * Merge keys of built-in kinds (the `patchMergeKey` of the Kubernetes API types), by field name. Where a name means
 * different lists, `listStrategy` decides by what the items look like.
 */
const MERGE_KEYS: Readonly<Record<string, string>> = {
  addresses: 'type',
  conditions: 'type',
  containers: 'name',
  env: 'name',
  ephemeralContainers: 'name',
  hostAliases: 'ip',
  imagePullSecrets: 'name',
  initContainers: 'name',
  ownerReferences: 'uid',
  podIPs: 'ip',
  hostIPs: 'ip',
  resourceClaims: 'name',
  schedulingGates: 'name',
  secrets: 'name',
  topologySpreadConstraints: 'topologyKey',
  volumeDevices: 'devicePath',
  volumeMounts: 'mountPath',
  volumes: 'name',
  webhooks: 'name',
};
const SETS = new Set(['finalizers', 'volumesInUse']);

/** The merge strategy of a list field, from its name and a sample of its items. */
export function listStrategy(field: string, parent: string, sample: readonly Json[]): ListStrategy {
  if (SETS.has(field)) return { kind: 'set' };
  if (field === 'ports') {
    if (parent === 'spec') return { kind: 'key', key: 'port' };
    const isContainer = sample.some((item) => isObject(item) && item['containerPort'] !== undefined);
    return isContainer ? { kind: 'key', key: 'containerPort' } : { kind: 'atomic' };
  }
  const key = MERGE_KEYS[field];
  return key === undefined ? { kind: 'atomic' } : { kind: 'key', key };
}

/** Applies a strategic merge patch with its directives `$patch`, `$setElementOrder`, `$deleteFromPrimitiveList`, `$retainKeys`. */
export function applyStrategicMerge(target: JsonObject, patch: JsonObject): JsonObject {
  return mergeObject(target, patch, '');
}

function mergeObject(target: JsonObject, patch: JsonObject, field: string): JsonObject {
  const directive = patch['$patch'];
  if (directive === 'replace') return withoutDirectives(patch);
  if (directive === 'delete') return {};
  let result: JsonObject = { ...target };
  const retain = patch['$retainKeys'];
  if (Array.isArray(retain)) result = Object.fromEntries(Object.entries(result).filter(([key]) => retain.includes(key)));
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue;
    if (value === null) {
      delete result[key];
      continue;
    }
    const existing = Object.hasOwn(result, key) ? result[key] : undefined;
    if (isObject(value)) define(result, key, mergeObject(isObject(existing) ? existing : {}, value, key));
    else if (Array.isArray(value)) define(result, key, mergeList(Array.isArray(existing) ? existing : [], value, key, field));
    else define(result, key, value);
  }
  for (const [key, value] of Object.entries(patch)) {
    const list = key.startsWith('$deleteFromPrimitiveList/') ? key.slice('$deleteFromPrimitiveList/'.length) : undefined;
    const existing = list === undefined ? undefined : result[list];
    if (list !== undefined && Array.isArray(value) && Array.isArray(existing))
      result[list] = existing.filter((item) => !value.includes(item));
    const ordered = key.startsWith('$setElementOrder/') ? key.slice('$setElementOrder/'.length) : undefined;
    const current = ordered === undefined ? undefined : result[ordered];
    if (ordered !== undefined && Array.isArray(value) && Array.isArray(current)) {
      result[ordered] = reorder(current, value, listStrategy(ordered, field, current));
    }
  }
  return result;
}

function mergeList(existing: Json[], patch: Json[], field: string, parent: string): Json[] {
  const strategy = listStrategy(field, parent, [...existing, ...patch]);
  const replaces = patch.some((item) => at(item, '$patch') === 'replace');
  if (replaces) return patch.filter((item) => at(item, '$patch') !== 'replace');
  if (strategy.kind === 'atomic') return patch.map((item) => (isObject(item) ? withoutDirectives(item) : item));
  if (strategy.kind === 'set') return [...existing, ...patch.filter((item) => !existing.some((other) => equalJson(other, item)))];
  const result = [...existing];
  for (const item of patch) {
    if (!isObject(item)) throw badRequest(`list "${field}" wants objects in a strategic merge patch`);
    const key = item[strategy.key];
    if (key === undefined)
      throw badRequest(`map: ${JSON.stringify(item).slice(0, 200)} does not contain declared merge key: ${strategy.key}`);
    const index = result.findIndex((other) => isObject(other) && sameKey(other, item, strategy.key));
    const found = result[index];
    if (item['$patch'] === 'delete') {
      if (index >= 0) result.splice(index, 1);
    } else if (isObject(found)) result[index] = mergeObject(found, item, field);
    else result.push(withoutDirectives(item));
  }
  return result;
}

/** Ports merge by number, but TCP and UDP may share one. */
function sameKey(a: JsonObject, b: JsonObject, key: string): boolean {
  if (a[key] !== b[key]) return false;
  if (key !== 'containerPort' && key !== 'port') return true;
  return b['protocol'] === undefined || (a['protocol'] ?? 'TCP') === b['protocol'];
}

function reorder(items: Json[], order: Json[], strategy: ListStrategy): Json[] {
  const rank = (item: Json) =>
    order.findIndex((wanted) =>
      strategy.kind === 'key' && isObject(wanted) && isObject(item) ? wanted[strategy.key] === item[strategy.key] : equalJson(wanted, item),
    );
  const listed = items.filter((item) => rank(item) >= 0).sort((a, b) => rank(a) - rank(b));
  return [...listed, ...items.filter((item) => rank(item) < 0)];
}

function withoutDirectives(value: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (key.startsWith('$') || item === null) continue;
    const clean = isObject(item)
      ? withoutDirectives(item)
      : Array.isArray(item)
        ? item.map((entry) => (isObject(entry) ? withoutDirectives(entry) : entry))
        : item;
    define(result, key, clean);
  }
  return result;
}
