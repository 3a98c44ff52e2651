import { invariant } from '@xebec/core';
import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { CollectionState } from './source-diff.ts';
import type { SourceView } from './source-stream.ts';

/** Collections of releases 1.4 and 1.5 for kinds that this mesh has no objects of: their sinks wait for an answer all the same. */
const alwaysEmpty: ReadonlySet<string> = new Set([
  'istio/authentication/v1alpha1/meshpolicies',
  'istio/authentication/v1alpha1/policies',
  'istio/networking/v1alpha3/synthetic/serviceentries',
  'istio/rbac/v1alpha1/rbacconfigs',
]);
const empty: CollectionState = { version: '0', resources: new Map() };

/** What a source holds: the state of each collection that was ever published. */
export class SourceStates implements SourceView {
  /** The collections there can be. */
  readonly known: ReadonlySet<string>;
  readonly #states = new Map<string, CollectionState>();
  #version = '';

  constructor(known: Iterable<string>) {
    this.known = new Set([...known, ...alwaysEmpty]);
  }
  get version(): string {
    return this.#version;
  }
  state(collection: string): CollectionState | undefined {
    return this.#states.get(collection) ?? (alwaysEmpty.has(collection) ? empty : undefined);
  }
  /** All or nothing: a collection that does not exist throws, and nothing has changed. */
  publish(contents: ReadonlyMap<string, ReadonlyMap<string, Resource>>, version: string): void {
    for (const collection of contents.keys()) invariant(this.known.has(collection), `there is no collection "${collection}" to publish`);
    this.#version = version;
    for (const [collection, resources] of contents) this.#states.set(collection, { version, resources });
  }
  /** How many resources each published collection holds. */
  sizes(): ReadonlyMap<string, number> {
    return new Map([...this.#states].map(([collection, { resources }]) => [collection, resources.size]));
  }
}
