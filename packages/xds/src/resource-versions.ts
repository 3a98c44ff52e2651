import type { ResourceMap } from './resource.ts';
import { namesThatLeft } from './resource-layer.ts';

/** Stands for a name that is in the base but has no version here. */
const NONE = Symbol('none');

/**
 * Which version of each resource a proxy has been sent, or has accepted. Streams that are up to date differ in nothing from the view they
 * were given, which they share: so this is a map of resources as they were then, of which only wanted names count, and the exceptions.
 */
export class ResourceVersions {
  readonly #wants: (name: string) => boolean;
  #base: ResourceMap | undefined;
  /** What comes before the base. */
  #exceptions: Map<string, string | typeof NONE> | undefined;

  constructor(wants: (name: string) => boolean) {
    this.#wants = wants;
  }
  get isEmpty(): boolean {
    return this.#base === undefined && (this.#exceptions === undefined || this.#exceptions.size === 0);
  }
  /** Whether it is told in the fewest words, given that nothing differs from this view. */
  restsOn(view: ResourceMap): boolean {
    return this.#base === view;
  }
  get(name: string): string | undefined {
    const exception = this.#exceptions?.get(name);
    if (exception === NONE) return undefined;
    return exception ?? (this.#base !== undefined && this.#wants(name) ? this.#base.get(name)?.version : undefined);
  }
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
  set(name: string, version: string): void {
    if (this.#base?.get(name)?.version === version) this.#exceptions?.delete(name);
    else this.#except(name, version);
  }
  delete(name: string): void {
    if (this.#base?.has(name) === true) this.#except(name, NONE);
    else this.#exceptions?.delete(name);
  }
  /** Notes the versions of all these resources, as far as they are wanted. The map must stay as it is. */
  setAll(resources: ResourceMap): void {
    const before = this.#base;
    if (before !== undefined && before !== resources)
      for (const name of namesThatLeft(before, resources)) {
        const version = this.get(name);
        if (version !== undefined) this.#except(name, version);
      }
    for (const [name, version] of this.#exceptions ?? []) if (version === NONE || resources.has(name)) this.#exceptions?.delete(name);
    if (this.#exceptions?.size === 0) this.#exceptions = undefined;
    this.#base = resources;
  }
  /** Becomes like another with the same wants. */
  copy(other: ResourceVersions): void {
    this.#base = other.#base;
    this.#exceptions = other.#exceptions === undefined || other.#exceptions.size === 0 ? undefined : new Map(other.#exceptions);
  }
  /** A name comes to be wanted, of which the base must not speak, since it was not meant when that was noted. */
  unveil(name: string): void {
    if (this.#base?.has(name) === true && this.#exceptions?.has(name) !== true) this.#except(name, NONE);
  }
  /** Goes without a base, before something comes to be wanted that was not when the base was noted. */
  detach(): void {
    if (this.#base === undefined) return;
    const entries = new Map<string, string>(this);
    this.#base = undefined;
    this.#exceptions = entries;
  }
  /** Forgets what is no longer wanted. */
  prune(): void {
    for (const name of this.#exceptions?.keys() ?? []) if (!this.#wants(name)) this.#exceptions?.delete(name);
  }
  *[Symbol.iterator](): Iterator<[name: string, version: string]> {
    for (const [name] of this.#base ?? []) {
      const version = this.get(name);
      if (version !== undefined) yield [name, version];
    }
    for (const [name, version] of this.#exceptions ?? []) if (version !== NONE && this.#base?.has(name) !== true) yield [name, version];
  }
  /** What is noted here of names that a view does not have. */
  *outside(view: ResourceMap): Iterable<[name: string, version: string]> {
    if (this.#base !== undefined && this.#base !== view)
      for (const name of namesThatLeft(this.#base, view)) {
        const version = this.get(name);
        if (version !== undefined) yield [name, version];
      }
    for (const [name, version] of this.#exceptions ?? [])
      if (version !== NONE && this.#base?.has(name) !== true && !view.has(name)) yield [name, version];
  }

  #except(name: string, version: string | typeof NONE): void {
    this.#exceptions ??= new Map();
    this.#exceptions.set(name, version);
  }
}
