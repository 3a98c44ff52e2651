/** What a request asks of a host's `envoy.lb` metadata: names sorted, values comparable as text. Build one per route, not per request. */
export interface MetadataCriteria {
  /** The names, sorted and joined: which selector can serve it. */
  readonly names: string;
  readonly entries: readonly (readonly [name: string, value: string])[];
  /** Names and values in one string, to find a subset by. */
  readonly key: string;
  /** The value of `fallback_list`, for clusters with that metadata fallback policy. */
  readonly fallbackList?: readonly MetadataCriteria[] | undefined;
}

const separator = '\0';

/** Criteria from metadata values (protobuf JSON); undefined when there are none. */
export function metadataCriteria(values: Readonly<Record<string, unknown>> | undefined): MetadataCriteria | undefined {
  if (values === undefined) return undefined;
  const entries = Object.entries(values)
    .map(([name, value]) => [name, comparable(value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length === 0) return undefined;
  const { fallback_list: list, ...rest } = values;
  const fallbackList = Array.isArray(list)
    ? list.flatMap((item: unknown) => {
        const alternative = isRecord(item) ? metadataCriteria({ ...rest, ...item }) : undefined;
        return alternative === undefined ? [] : [alternative];
      })
    : undefined;
  return { names: joinNames(entries.map(([name]) => name)), entries, key: keyOf(entries), fallbackList };
}

export function joinNames(sorted: readonly string[]): string {
  return sorted.join(separator);
}

export function keyOf(entries: readonly (readonly [string, string])[]): string {
  return entries.flat().join(separator);
}

/** One text for equal values: order of an object's fields does not matter. */
export function comparable(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(comparable).join()}]`;
  if (isRecord(value))
    return `{${Object.keys(value)
      .sort()
      .map((name) => `${JSON.stringify(name)}:${comparable(value[name])}`)
      .join()}}`;
  return JSON.stringify(value) ?? 'null';
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
