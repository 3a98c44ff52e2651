/** Names and values of a query as they stand in it, nothing decoded: by name, as Envoy keeps and prints them. */
export class QueryParameters {
  readonly #path: string;
  readonly #byName = new Map<string, string[]>();

  constructor(path: string) {
    const at = path.indexOf('?');
    this.#path = at === -1 ? path : path.slice(0, at);
    if (at === -1) return;
    const query = path.slice(at + 1);
    if (query === '') return;
    // Between two separators there is a name without letters; after the last one there is nothing.
    for (const part of (query.endsWith('&') ? query.slice(0, -1) : query).split('&')) {
      const equals = part.indexOf('=');
      this.add(equals === -1 ? part : part.slice(0, equals), equals === -1 ? '' : part.slice(equals + 1));
    }
  }
  has(name: string): boolean {
    return this.#byName.has(name);
  }
  add(name: string, value: string): void {
    const values = this.#byName.get(name);
    if (values === undefined) this.#byName.set(name, [value]);
    else values.push(value);
  }
  set(name: string, value: string): void {
    this.#byName.set(name, [value]);
  }
  delete(name: string): void {
    this.#byName.delete(name);
  }
  /** The path with the query, names in order. */
  toPath(): string {
    const parts: string[] = [];
    for (const name of [...this.#byName.keys()].sort())
      for (const value of this.#byName.get(name) ?? []) parts.push(`${legal(name)}=${legal(value)}`);
    return parts.length === 0 ? this.#path : `${this.#path}?${parts.join('&')}`;
  }
}

/** What may not stand in a request line is percent-encoded; Envoy writes it as it is. */
function legal(text: string): string {
  return text.replaceAll(/[^\x21-\x7e]|#/gu, (character) => encodeURIComponent(character));
}
