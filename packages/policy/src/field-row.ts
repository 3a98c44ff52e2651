import type { TypedValue } from '@xebec/expressions';

/**
 * The evaluated entries of a map field, in the order of their names. A map like any other for whoever reads it as one; who knows the names
 * can read values by their place, and then no map is ever filled.
 */
export class FieldRow extends Map<string, TypedValue> {
  /** One object for all rows of the same field. */
  readonly names: readonly string[];
  readonly row: readonly TypedValue[];
  #filled = false;

  constructor(names: readonly string[], row: readonly TypedValue[]) {
    super();
    this.names = names;
    this.row = row;
  }
  override get size(): number {
    return this.row.length;
  }
  override get(name: string): TypedValue | undefined {
    this.#fill();
    return super.get(name);
  }
  override has(name: string): boolean {
    this.#fill();
    return super.has(name);
  }
  override forEach(visit: (value: TypedValue, name: string, map: Map<string, TypedValue>) => void): void {
    this.#fill();
    super.forEach(visit);
  }
  override entries(): MapIterator<[string, TypedValue]> {
    this.#fill();
    return super.entries();
  }
  override keys(): MapIterator<string> {
    this.#fill();
    return super.keys();
  }
  override values(): MapIterator<TypedValue> {
    this.#fill();
    return super.values();
  }
  override [Symbol.iterator](): MapIterator<[string, TypedValue]> {
    return this.entries();
  }

  #fill(): void {
    if (this.#filled) return;
    this.#filled = true;
    for (const [i, name] of this.names.entries()) {
      const value = this.row[i];
      if (value !== undefined) super.set(name, value);
    }
  }
}
