import type { EncodedResource, ResourceMap } from './resource.ts';

/** Resources that belong together and never change: a part of what many proxies have, or all that is one proxy's own. */
export class ResourceLayer implements ResourceMap {
  /** In the order in which they are sent, each name once. */
  readonly list: readonly EncodedResource[];
  readonly #byName: ReadonlyMap<string, EncodedResource>;

  constructor(resources: Iterable<EncodedResource>) {
    this.#byName = new Map(Array.from(resources, (resource) => [resource.name, resource]));
    this.list = [...this.#byName.values()];
  }
  get size(): number {
    return this.list.length;
  }
  get(name: string): EncodedResource | undefined {
    return this.#byName.get(name);
  }
  has(name: string): boolean {
    return this.#byName.has(name);
  }
  [Symbol.iterator](): Iterator<readonly [string, EncodedResource]> {
    return this.#byName[Symbol.iterator]();
  }
  /** Whether both hold the same resources in the same order. */
  equals(other: ResourceLayer): boolean {
    if (this === other) return true;
    const { list } = other;
    return this.size === other.size && this.list.every((resource, index) => resource === list[index]);
  }
}

/** What many proxies have that serve nothing of a type. */
export const NO_RESOURCES = new ResourceLayer([]);

/** What one proxy has: a layer that it shares with others and one of its own, in which a name comes first. */
export class LayeredResources implements ResourceMap {
  readonly layers: readonly [shared: ResourceLayer, own: ResourceLayer];

  constructor(shared: ResourceLayer, own: ResourceLayer) {
    this.layers = [shared, own];
  }
  get size(): number {
    const [shared, own] = this.layers;
    return shared.size + own.size - this.#hidden().length;
  }
  get(name: string): EncodedResource | undefined {
    return this.layers[1].get(name) ?? this.layers[0].get(name);
  }
  has(name: string): boolean {
    return this.layers[1].has(name) || this.layers[0].has(name);
  }
  /** All of them, the shared ones first: many proxies' lists begin alike. */
  get list(): readonly EncodedResource[] {
    const [shared, own] = this.layers;
    if (own.size === 0) return shared.list;
    if (this.#hidden().length === 0) return [...shared.list, ...own.list];
    return [...shared.list.filter(({ name }) => !own.has(name)), ...own.list];
  }
  *[Symbol.iterator](): Iterator<readonly [string, EncodedResource]> {
    for (const resource of this.list) yield [resource.name, resource];
  }
  /** Own resources that come before shared ones of their name. */
  #hidden(): readonly EncodedResource[] {
    const [shared, own] = this.layers;
    return own.list.filter(({ name }) => shared.has(name));
  }
}

/** For a layer of a proxy's own the last pair it was in, for the empty one the pair of each shared layer. */
const pairs = new WeakMap<ResourceLayer, LayeredResources>();

/** One and the same object for the same two layers, as long as it is in use: who compares views need not look inside. */
export function layered(shared: ResourceLayer, own: ResourceLayer): LayeredResources {
  const key = own.size === 0 ? shared : own;
  const known = pairs.get(key);
  if (known !== undefined && known.layers[0] === shared && known.layers[1] === own) return known;
  const made = new LayeredResources(shared, own);
  pairs.set(key, made);
  return made;
}

/** All resources of a map, in its order. */
export function resourcesOf(map: ResourceMap): readonly EncodedResource[] {
  return map instanceof LayeredResources || map instanceof ResourceLayer ? map.list : Array.from(map, ([, resource]) => resource);
}

const differences = new WeakMap<ResourceLayer, { readonly before: WeakRef<ResourceLayer>; readonly names: readonly string[] }[]>();
/** Comparisons of one layer with earlier ones that are remembered: proxies lag behind by few. */
const MAX_REMEMBERED = 4;

/**
 * The names whose resources may differ between two sets; undefined where this cannot be told without going through them. Layers are
 * compared once for all proxies that have them.
 */
export function differingNames(before: ResourceMap, after: ResourceMap): readonly string[] | undefined {
  if (before === after) return [];
  if (!(before instanceof LayeredResources && after instanceof LayeredResources)) return undefined;
  const shared = layerDifference(before.layers[0], after.layers[0]);
  const own = layerDifference(before.layers[1], after.layers[1]);
  return shared.length === 0 ? own : own.length === 0 ? shared : [...new Set([...shared, ...own])];
}

/** The names of `before` that `after` does not have. */
export function namesThatLeft(before: ResourceMap, after: ResourceMap): readonly string[] {
  const candidates = differingNames(before, after) ?? Array.from(before, ([name]) => name);
  return candidates.filter((name) => !after.has(name) && before.has(name));
}

function layerDifference(before: ResourceLayer, after: ResourceLayer): readonly string[] {
  if (before === after) return [];
  // Small ones, of which each proxy has its own, are sooner compared than remembered.
  if (before.size + after.size < 8) return compareLayers(before, after);
  const known = differences.get(after) ?? [];
  const found = known.find((entry) => entry.before.deref() === before);
  if (found !== undefined) return found.names;
  const names = compareLayers(before, after);
  differences.set(after, [{ before: new WeakRef(before), names }, ...known.slice(0, MAX_REMEMBERED - 1)]);
  return names;
}

function compareLayers(before: ResourceLayer, after: ResourceLayer): readonly string[] {
  const names: string[] = [];
  for (const resource of after.list) if (before.get(resource.name) !== resource) names.push(resource.name);
  for (const { name } of before.list) if (!after.has(name)) names.push(name);
  return names;
}
