import { asciiLower } from './string-matcher.ts';

/** Where `:port` starts in an authority, or -1; an IPv6 address without brackets' end has none. */
export function portStart(authority: string): number {
  const colon = authority.lastIndexOf(':');
  if (colon === -1 || colon === authority.length - 1) return -1;
  if (authority.indexOf(':') !== colon && authority[colon - 1] !== ']') return -1;
  for (let i = colon + 1; i < authority.length; i++) {
    const code = authority.charCodeAt(i);
    if (code < 48 || code > 57) return -1;
  }
  return colon;
}

/**
 * Finds a virtual host by authority: exact name, then the longest `*suffix`, then the longest `prefix*`, then `*`
 * (envoy.config.route.v3.VirtualHost.domains). Case does not count. Each lookup costs one map access per distinct length.
 */
export class VirtualHostIndex<T> {
  readonly #exact = new Map<string, T>();
  readonly #suffixes = new Map<number, Map<string, T>>();
  readonly #prefixes = new Map<number, Map<string, T>>();
  #suffixLengths: readonly number[] = [];
  #prefixLengths: readonly number[] = [];
  #any: T | undefined;
  readonly #ignorePort: boolean;

  constructor(ignorePort: boolean) {
    this.#ignorePort = ignorePort;
  }
  /** Adds a domain; returns false when it is there already. */
  add(domain: string, value: T): boolean {
    const name = asciiLower(domain);
    if (name === '*') {
      if (this.#any !== undefined) return false;
      this.#any = value;
      return true;
    }
    if (name.startsWith('*')) {
      const added = addByLength(this.#suffixes, name.slice(1), value);
      this.#suffixLengths = [...this.#suffixes.keys()].sort((a, b) => b - a);
      return added;
    }
    if (name.endsWith('*')) {
      const added = addByLength(this.#prefixes, name.slice(0, -1), value);
      this.#prefixLengths = [...this.#prefixes.keys()].sort((a, b) => b - a);
      return added;
    }
    if (this.#exact.has(name)) return false;
    this.#exact.set(name, value);
    return true;
  }
  find(authority: string): T | undefined {
    const port = this.#ignorePort ? anyPortStart(authority) : -1;
    const host = asciiLower(port === -1 ? authority : authority.slice(0, port));
    const exact = this.#exact.get(host);
    if (exact !== undefined) return exact;
    for (const length of this.#suffixLengths) {
      if (length >= host.length) continue;
      const found = this.#suffixes.get(length)?.get(host.slice(host.length - length));
      if (found !== undefined) return found;
    }
    for (const length of this.#prefixLengths) {
      if (length >= host.length) continue;
      const found = this.#prefixes.get(length)?.get(host.slice(0, length));
      if (found !== undefined) return found;
    }
    return this.#any;
  }
}

/** The last colon outside of brackets, whatever follows it. */
function anyPortStart(authority: string): number {
  const colon = authority.lastIndexOf(':');
  return colon > authority.lastIndexOf(']') ? colon : -1;
}

function addByLength<T>(byLength: Map<number, Map<string, T>>, text: string, value: T): boolean {
  const names = byLength.get(text.length) ?? new Map<string, T>();
  byLength.set(text.length, names);
  if (names.has(text)) return false;
  names.set(text, value);
  return true;
}
