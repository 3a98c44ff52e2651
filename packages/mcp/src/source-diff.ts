import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';

/** What a collection holds at one moment. Never changed: the next moment is another object. */
export interface CollectionState {
  /** Changes whenever the content does. */
  readonly version: string;
  /** By `namespace/name`. */
  readonly resources: ReadonlyMap<string, Resource>;
}

/** What a sink has of a collection: a state it was sent, or versions by name that it told when it came. */
export type Held = CollectionState | { readonly versions: ReadonlyMap<string, string> };

export const NOTHING_HELD: Held = { versions: new Map() };

/** What must be sent to a sink. Sinks that hold the same get the same arrays, so that their bytes can be shared too. */
export interface Difference {
  readonly resources: readonly Resource[];
  readonly removed: readonly string[];
}

const differences = new WeakMap<CollectionState, WeakMap<Held, Difference>>();
const contents = new WeakMap<CollectionState, Difference>();

/** All of a collection. */
export function wholeOf(state: CollectionState): Difference {
  let whole = contents.get(state);
  if (whole === undefined) {
    whole = { resources: [...state.resources.values()], removed: [] };
    contents.set(state, whole);
  }
  return whole;
}

/** What leads from `held` to `state`. */
export function differenceOf(held: Held, state: CollectionState): Difference {
  let byHeld = differences.get(state);
  if (byHeld === undefined) {
    byHeld = new WeakMap();
    differences.set(state, byHeld);
  }
  let difference = byHeld.get(held);
  if (difference === undefined) {
    difference = compute(held, state);
    byHeld.set(held, difference);
  }
  return difference;
}

function compute(held: Held, state: CollectionState): Difference {
  const resources: Resource[] = [];
  const removed: string[] = [];
  if ('resources' in held) {
    for (const [name, resource] of state.resources) {
      const before = held.resources.get(name);
      if (before !== resource && before?.metadata?.version !== resource.metadata?.version) resources.push(resource);
    }
    for (const name of held.resources.keys()) if (!state.resources.has(name)) removed.push(name);
  } else {
    for (const [name, resource] of state.resources) if (held.versions.get(name) !== resource.metadata?.version) resources.push(resource);
    for (const name of held.versions.keys()) if (!state.resources.has(name)) removed.push(name);
  }
  return { resources, removed };
}
