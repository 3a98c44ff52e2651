import { isIP } from 'node:net';

/** Addresses of the mesh's names. */
export interface NameTable {
  /** Undefined: not a name of the mesh. An empty list: known, without an address of that family. */
  resolve(name: string, family: 4 | 6): { readonly canonical: string; readonly addresses: readonly string[] } | undefined;
}

/** As NDS (`istio.networking.nds.v1.NameTable`) and the static file have them: addresses by host, and other names for it. */
export interface NameEntry {
  readonly addresses: readonly string[];
  readonly alternatives?: readonly string[];
}

/** A table of hosts, `*.` wildcards among them. `search` are the suffixes that a resolver may append to a name. */
export function createNameTable(entries: ReadonlyMap<string, NameEntry>, search: readonly string[]): NameTable {
  const hosts = new Map<string, { readonly host: string; readonly addresses: readonly string[] }>();
  for (const [name, entry] of entries) {
    const host = plain(name);
    const value = { host, addresses: entry.addresses.filter((address) => isIP(address) !== 0) };
    for (const key of [host, ...(entry.alternatives ?? []).map(plain)]) if (!hosts.has(key)) hosts.set(key, value);
  }
  const find = (name: string) => hosts.get(name) ?? wildcard(hosts, name);
  const suffixes = search.map((suffix) => `.${plain(suffix)}`);
  return {
    resolve(name, family) {
      const asked = plain(name);
      let found = find(asked);
      let canonical = asked;
      for (let i = 0; found === undefined && i < suffixes.length; i++) {
        const suffix = suffixes[i] ?? '';
        if (!asked.endsWith(suffix)) continue;
        canonical = asked.slice(0, -suffix.length);
        found = find(canonical);
      }
      if (found === undefined) return undefined;
      return { canonical, addresses: found.addresses.filter((address) => isIP(address) === family) };
    },
  };
}

function wildcard<T>(hosts: ReadonlyMap<string, T>, name: string): T | undefined {
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const found = hosts.get(`*${name.slice(dot)}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Lower case, without the root's dot. */
function plain(name: string): string {
  const lower = name.toLowerCase();
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}
