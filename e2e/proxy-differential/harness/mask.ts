import type { Comparison, Field } from './family.ts';

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Takes out what differs between any two runs, and what the case leaves out; sorts header fields unless their order counts. */
export function comparable(value: unknown, names: ReadonlyMap<string, string>, directory: string, comparison: Comparison): unknown {
  const text = (from: string): string =>
    from
      .replaceAll(directory, 'DIRECTORY')
      .replaceAll(
        /(127\.0\.0\.\d+|app\.example|localhost):(\d{4,5})(?!\d)/g,
        (_all, host: string, port: string) => `${host}:${names.get(port) ?? 'PORT'}`,
      )
      .replaceAll(UUID, 'UUID')
      .replaceAll(/[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT/g, 'DATE');
  const field = ([name, value]: Field): Field => {
    const key = name.toLowerCase();
    if (key === 'x-envoy-upstream-service-time') return [name, 'N'];
    // Time spent so far is subtracted: a tenth of a second does not matter.
    if (key === 'x-envoy-expected-rq-timeout-ms') return [name, String(Math.ceil(Number(value) / 100) * 100)];
    if (key === 'x-forwarded-port') return [name, names.get(value) ?? value];
    return [name, text(value)];
  };
  const fields = (list: readonly Field[]): readonly Field[] => {
    const ignored = comparison.ignoreHeaders ?? [];
    const kept = list.filter(([name]) => !ignored.includes(name.toLowerCase())).map(field);
    // Sorting is stable, so several values of one name keep their order.
    return comparison.ordered === true
      ? kept
      : kept.sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : a.toLowerCase() > b.toLowerCase() ? 1 : 0));
  };
  const walk = (node: unknown): unknown => {
    if (typeof node === 'string') return text(node);
    if (Array.isArray(node)) {
      const items: readonly unknown[] = node;
      return isFields(items) ? fields(items) : items.map(walk);
    }
    if (typeof node === 'object' && node !== null)
      return Object.fromEntries(Object.entries(node).map(([key, inner]) => [key, walk(inner)]));
    return node;
  };
  return walk(value);
}

function isFields(node: readonly unknown[]): node is readonly Field[] {
  return (
    node.length > 0 && node.every((item) => Array.isArray(item) && item.length === 2 && item.every((part) => typeof part === 'string'))
  );
}
