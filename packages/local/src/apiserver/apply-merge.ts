import { clone, define, equalJson, isObject, type Json, type JsonObject, type KubeObject, type ManagedFieldsEntry } from './object.ts';
import type { Resource } from './resource.ts';
import { ApiError } from './status.ts';
import { listStrategy } from './strategic-merge.ts';

/** Paths of leaves, as FieldsV1 spells their steps (`f:spec`, `k:{"name":"a"}`, `v:1`), joined by a character that none contains. */
type FieldSet = Set<string>;
const JOIN = '\u0000';
const UNOWNED = new Set(['apiVersion', 'kind', 'status']);
const UNOWNED_METADATA = new Set([
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'managedFields',
  'selfLink',
  'deletionTimestamp',
  'generateName',
]);

/** The key of an item in a list that merges by key, or undefined. Custom kinds' lists are atomic. */
function itemStep(field: string, parent: string, list: readonly Json[], item: Json, custom: boolean): string | undefined {
  if (custom && field !== 'ownerReferences' && field !== 'finalizers' && field !== 'conditions') return undefined;
  const strategy = listStrategy(field, parent, list);
  if (strategy.kind === 'set') return `v:${JSON.stringify(item)}`;
  if (strategy.kind === 'atomic' || !isObject(item)) return undefined;
  const keys: JsonObject = { [strategy.key]: item[strategy.key] ?? null };
  if (field === 'ports') keys['protocol'] = item['protocol'] ?? 'TCP';
  return `k:${JSON.stringify(keys)}`;
}

function fieldsOf(object: KubeObject, custom: boolean): FieldSet {
  const fields: FieldSet = new Set();
  const visit = (value: Json, path: string[], field: string, parent: string): void => {
    if (isObject(value) && Object.keys(value).length > 0) {
      for (const [key, item] of Object.entries(value)) visit(item, [...path, `f:${key}`], key, field);
    } else if (
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((item) => itemStep(field, parent, value, item, custom) !== undefined)
    ) {
      for (const item of value) {
        const step = itemStep(field, parent, value, item, custom) ?? '';
        fields.add([...path, step].join(JOIN));
        if (isObject(item)) for (const [key, inner] of Object.entries(item)) visit(inner, [...path, step, `f:${key}`], key, field);
      }
    } else fields.add(path.join(JOIN));
  };
  for (const [key, value] of Object.entries(object)) {
    if (UNOWNED.has(key) || value === undefined) continue;
    if (key === 'metadata') {
      for (const [name, item] of Object.entries(object.metadata)) {
        // Metadata is JSON: the interface only names its fields.
        if (!UNOWNED_METADATA.has(name) && item !== undefined) visit(item as Json, ['f:metadata', `f:${name}`], name, 'metadata');
      }
    } else visit(value as Json, [`f:${key}`], key, '');
  }
  return fields;
}

/** True for a step that stands for a whole list item. */
function isItemStep(step: string | undefined): boolean {
  return step !== undefined && /^[kv]:/.test(step);
}

function toFieldsV1(fields: FieldSet): JsonObject {
  const root: JsonObject = {};
  for (const path of [...fields].sort()) {
    let node = root;
    for (const step of path.split(JOIN)) {
      const next = node[step];
      if (isObject(next)) node = next;
      else {
        const made: JsonObject = {};
        define(node, step, made);
        node = made;
      }
    }
    if (isItemStep(path.split(JOIN).at(-1))) node['.'] = {};
  }
  return root;
}

function fromFieldsV1(node: JsonObject, path: string[] = [], fields: FieldSet = new Set()): FieldSet {
  const steps = Object.entries(node).filter(([step]) => step !== '.');
  if (steps.length === 0 || node['.'] !== undefined) if (path.length > 0) fields.add(path.join(JOIN));
  for (const [step, inner] of steps) if (isObject(inner)) fromFieldsV1(inner, [...path, step], fields);
  return fields;
}

/** The value at a FieldsV1 path. */
function lookup(object: Json | undefined, steps: readonly string[]): Json | undefined {
  let current = object;
  for (const step of steps) {
    if (step.startsWith('f:') && isObject(current)) current = Object.hasOwn(current, step.slice(2)) ? current[step.slice(2)] : undefined;
    else if (Array.isArray(current)) current = current[indexOfStep(current, step)];
    else return undefined;
  }
  return current;
}

function indexOfStep(list: readonly Json[], step: string): number {
  if (step.startsWith('v:')) return list.findIndex((item) => JSON.stringify(item) === step.slice(2));
  const keys: unknown = JSON.parse(step.slice(2));
  return list.findIndex(
    (item) =>
      isObject(item) &&
      isObject(keys) &&
      Object.entries(keys).every(([key, value]) => (item[key] ?? (key === 'protocol' ? 'TCP' : null)) === value),
  );
}

function remove(object: Json | undefined, steps: readonly string[]): void {
  const parent = lookup(object, steps.slice(0, -1));
  const last = steps.at(-1) ?? '';
  if (last.startsWith('f:') && isObject(parent)) delete parent[last.slice(2)];
  else if (Array.isArray(parent)) {
    const index = indexOfStep(parent, last);
    if (index >= 0) parent.splice(index, 1);
  }
}

function merge(target: Json | undefined, applied: Json, field: string, parent: string, custom: boolean): Json {
  if (isObject(applied)) {
    const result: JsonObject = isObject(target) ? { ...target } : {};
    for (const [key, value] of Object.entries(applied))
      define(result, key, merge(Object.hasOwn(result, key) ? result[key] : undefined, value, key, field, custom));
    return result;
  }
  if (
    Array.isArray(applied) &&
    Array.isArray(target) &&
    applied.every((item) => itemStep(field, parent, applied, item, custom) !== undefined)
  ) {
    const result = [...target];
    for (const item of applied) {
      const index = indexOfStep(result, itemStep(field, parent, applied, item, custom) ?? '');
      if (index < 0) result.push(item);
      else result[index] = merge(result[index], item, field, parent, custom);
    }
    return result;
  }
  return applied;
}

export interface FieldManager {
  readonly manager: string;
  readonly time: string;
  readonly subresource?: string;
}

/**
 * Server-side apply: merges the applied configuration into the live object, takes away what this manager applied before
 * and leaves out now, and refuses (409) values that other managers own, unless forced.
 */
export function serverSideApply(
  live: KubeObject | undefined,
  applied: KubeObject,
  resource: Resource,
  by: FieldManager,
  force: boolean,
): KubeObject {
  const config = clone(applied);
  delete config.metadata.managedFields;
  const wanted = fieldsOf(config, resource.custom);
  const entries = live?.metadata.managedFields ?? [];
  const mine = entries.find((entry) => entry.manager === by.manager && entry.operation === 'Apply');
  const conflicts: { manager: string; path: string }[] = [];
  const others = new Map<ManagedFieldsEntry, FieldSet>();
  for (const entry of entries) {
    if (entry === mine) continue;
    const owned = fromFieldsV1(entry.fieldsV1);
    for (const path of wanted) {
      const steps = path.split(JOIN);
      const isItem = isItemStep(steps.at(-1));
      if (isItem || !owned.has(path) || equalJson(lookup(live as Json | undefined, steps), lookup(config as unknown as Json, steps)))
        continue;
      if (force) owned.delete(path);
      else conflicts.push({ manager: entry.manager, path });
    }
    others.set(entry, owned);
  }
  if (conflicts.length > 0) throw conflictError(conflicts, entries);
  // Objects are JSON: the interface only names the fields that every kind has.
  const merged = merge(live as Json | undefined, config as unknown as Json, '', '', resource.custom);
  const result = clone(merged) as unknown as KubeObject;
  if (mine !== undefined) {
    const dropped = [...fromFieldsV1(mine.fieldsV1)].filter(
      (path) => !wanted.has(path) && ![...others.values()].some((owned) => owned.has(path)),
    );
    for (const path of dropped.sort().reverse()) remove(result as unknown as Json, path.split(JOIN));
  }
  const entry: ManagedFieldsEntry = {
    manager: by.manager,
    operation: 'Apply',
    apiVersion: applied.apiVersion,
    time: by.time,
    fieldsType: 'FieldsV1',
    fieldsV1: toFieldsV1(wanted),
  };
  const kept = [...others].filter(([, owned]) => owned.size > 0).map(([other, owned]) => ({ ...other, fieldsV1: toFieldsV1(owned) }));
  const unchanged = mine !== undefined && equalJson(mine.fieldsV1, entry.fieldsV1);
  result.metadata.managedFields = [unchanged ? mine : entry, ...kept];
  return result;
}

function conflictError(conflicts: readonly { manager: string; path: string }[], entries: readonly ManagedFieldsEntry[]): ApiError {
  const causes = conflicts.map(({ manager, path }) => {
    const operation = entries.find((entry) => entry.manager === manager);
    const using = operation?.operation === 'Update' ? ` using ${operation.apiVersion}` : '';
    return { reason: 'FieldManagerConflict', message: `conflict with "${manager}"${using}`, field: fieldText(path) };
  });
  const lines = causes.map(({ message, field }) => `${message}: ${field}`).join('\n');
  const count = causes.length === 1 ? '1 conflict' : `${causes.length} conflicts`;
  return new ApiError(409, 'Conflict', `Apply failed with ${count}: ${lines}`, { causes });
}

/** `.spec.replicas`, `.spec.containers[name="a"].image`. */
function fieldText(path: string): string {
  return path
    .split(JOIN)
    .map((step) => {
      if (step.startsWith('f:')) return `.${step.slice(2)}`;
      const keys: unknown = step.startsWith('k:') ? JSON.parse(step.slice(2)) : step.slice(2);
      return isObject(keys)
        ? `[${Object.entries(keys)
            .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
            .join(',')}]`
        : `[=${keys}]`;
    })
    .join('');
}

/** Records an ordinary write: the fields it changed now belong to its manager and to nobody else. */
export function recordUpdate(
  before: KubeObject | undefined,
  after: KubeObject,
  resource: Resource,
  by: FieldManager,
): ManagedFieldsEntry[] {
  const owned = fieldsOf(after, resource.custom);
  const previous = before?.metadata.managedFields ?? [];
  const changed = new Set<string>();
  for (const path of owned) {
    const steps = path.split(JOIN);
    if (before === undefined || !equalJson(lookup(before as unknown as Json, steps), lookup(after as unknown as Json, steps)))
      changed.add(path);
  }
  const isMine = (entry: ManagedFieldsEntry) =>
    entry.manager === by.manager && entry.operation === 'Update' && entry.subresource === by.subresource;
  const kept = previous.flatMap((entry) => {
    const fields = new Set([...fromFieldsV1(entry.fieldsV1)].filter((path) => owned.has(path) && (isMine(entry) || !changed.has(path))));
    return fields.size === 0 || isMine(entry) ? [] : [{ ...entry, fieldsV1: toFieldsV1(fields) }];
  });
  const mine = previous.find(isMine);
  const fields = new Set([...(mine === undefined ? [] : fromFieldsV1(mine.fieldsV1)), ...changed].filter((path) => owned.has(path)));
  if (fields.size === 0) return kept;
  const entry: ManagedFieldsEntry = {
    manager: by.manager,
    operation: 'Update',
    apiVersion: after.apiVersion,
    time: changed.size === 0 && mine?.time !== undefined ? mine.time : by.time,
    fieldsType: 'FieldsV1',
    fieldsV1: toFieldsV1(fields),
    ...(by.subresource === undefined ? {} : { subresource: by.subresource }),
  };
  return [...kept, entry];
}
