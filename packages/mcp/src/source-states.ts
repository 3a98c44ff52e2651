import { invariant } from '@xebec/core';
import type { Resource } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { CollectionState } from './source-diff.ts';
import type { SourceView } from './source-stream.ts';

/** What a source holds: the state of each collection that was ever published. */
export class SourceStates implements SourceView {
  /** The collections there can be. */
  readonly known: ReadonlySet<string>;
  readonly #states = new Map<string, CollectionState>();
  #version = '';

  constructor(known: Iterable<string>) {
    this.known = new Set(known);
  }
  get version(): string {
    return this.#version;
  }
  state(collection: string): CollectionState | undefined {
    return this.#states.get(collection);
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
