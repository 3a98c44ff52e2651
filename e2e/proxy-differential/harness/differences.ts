export type Differences = Record<string, readonly [envoy: unknown, xebec: unknown]>;

/** Dotted paths at which two JSON-like values differ. Header lists are compared by name, so that one field more does not shift all others. */
export function differences(envoy: unknown, xebec: unknown, path = ''): Differences {
  const at = (key: string | number): string => (path === '' ? String(key) : `${path}.${key}`);
  if (JSON.stringify(envoy) === JSON.stringify(xebec)) return {};
  if (Array.isArray(envoy) && Array.isArray(xebec)) {
    const [a, b] = [byName(envoy), byName(xebec)];
    if (a !== undefined && b !== undefined) {
      const found = differences(a, b, path);
      return Object.keys(found).length > 0 ? found : { [at('order')]: [Object.keys(a), Object.keys(b)] };
    }
    if (envoy.length === xebec.length) return Object.assign({}, ...envoy.map((item, i) => differences(item, xebec[i], at(i))));
    return { [path]: [envoy, xebec] };
  }
  if (isObject(envoy) && isObject(xebec)) {
    const keys = [...new Set([...Object.keys(envoy), ...Object.keys(xebec)])];
    return Object.assign({}, ...keys.map((key) => differences(envoy[key], xebec[key], at(key))));
  }
  return { [path]: [envoy ?? null, xebec ?? null] };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function byName(list: readonly unknown[]): Record<string, unknown> | undefined {
  const result: Record<string, string[]> = {};
  for (const item of list) {
    if (!Array.isArray(item) || item.length !== 2 || typeof item[0] !== 'string' || typeof item[1] !== 'string') return undefined;
    result[item[0]] = [...(result[item[0]] ?? []), item[1]];
  }
  return Object.fromEntries(Object.entries(result).map(([name, values]) => [name, values.length === 1 ? values[0] : values]));
}
