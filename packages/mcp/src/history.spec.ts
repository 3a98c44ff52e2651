import { create } from '@bufbuild/protobuf';
import { type Random, seededRandom } from '@xebec/core';
import { type RequestResources, ResourceSchema, type Resources } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { expect, it } from 'vitest';
import { McpSink, type SinkChange } from './sink.ts';
import { SourceStates } from './source-states.ts';
import { McpSourceStream } from './source-stream.ts';

const COLLECTIONS = ['one', 'two', 'three', 'four'];
const STEPS = 120;

/** A sink of ours, or one of release 1.4 that knows of no changes over several collections, with its connection. */
class Peer {
  readonly held = new Map<string, Map<string, string>>(COLLECTIONS.map((name) => [name, new Map()]));
  readonly #states: SourceStates;
  readonly #foreign: boolean;
  readonly #incremental: boolean;
  readonly #random: Random;
  readonly #sink: McpSink;
  #stream: McpSourceStream;
  #toSource: RequestResources[] = [];
  #toSink: Resources[] = [];
  /** Versions that were seen together, for the promise that a change is never seen in part. */
  readonly torn: string[] = [];

  constructor(states: SourceStates, random: Random) {
    this.#states = states;
    this.#random = random;
    this.#foreign = random.next() < 0.4;
    this.#incremental = random.next() < 0.7;
    this.#sink = new McpSink({
      id: 'peer',
      collections: COLLECTIONS,
      apply: (changes) => {
        // Now and then a sink cannot: it must still come to the same end.
        if (this.#random.next() < 0.1) return changes.map(({ collection }) => ({ collection, message: 'not now' }));
        for (const change of changes) this.#take(change);
        this.#check();
        return [];
      },
    });
    this.#stream = new McpSourceStream(states.known, states);
    this.connect();
  }
  connect(): void {
    this.#stream = new McpSourceStream(this.#states.known, this.#states);
    this.#toSink = [];
    this.#toSource = this.#sink.open().map((request) => ({
      ...request,
      incremental: this.#incremental,
      ...(this.#foreign ? { sinkNode: undefined } : {}),
    }));
  }
  published(): void {
    this.#toSink.push(...this.#stream.update());
  }
  /** Moves one message in one direction; false when there is none. */
  step(): boolean {
    const request = this.#random.next() < 0.5 ? this.#toSource.shift() : undefined;
    if (request !== undefined) {
      this.#toSink.push(...this.#stream.onRequest(request).responses);
      return true;
    }
    const response = this.#toSink.shift();
    if (response !== undefined) this.#toSource.push(...this.#sink.onResources(response).map((answer) => ({ ...answer })));
    return response !== undefined || this.#toSource.length > 0;
  }

  #take({ collection, incremental, resources, removed }: SinkChange): void {
    const held = this.held.get(collection);
    if (held === undefined) return;
    if (!incremental) held.clear();
    for (const name of removed) held.delete(name);
    for (const { metadata } of resources) if (metadata !== undefined) held.set(metadata.name, metadata.version);
  }
  /** Every publication writes its number under `mark` in two collections: ours must never see two different ones. */
  #check(): void {
    if (this.#foreign) return;
    const [one, two] = [this.held.get('one')?.get('mark'), this.held.get('two')?.get('mark')];
    if (one !== two) this.torn.push(`${one} and ${two}`);
  }
}

it.each(Array.from({ length: 40 }, (_, seed) => seed))(
  'any history of changes, refusals and broken connections ends in the same state (seed %i)',
  (seed) => {
    const random = seededRandom(seed);
    const below = (limit: number) => Math.floor(random.next() * limit);
    const states = new SourceStates(COLLECTIONS);
    const truth = new Map(COLLECTIONS.map((name) => [name, new Map<string, string>()]));
    let version = 0;
    const publish = (names: readonly string[]): void => {
      version++;
      for (const name of ['one', 'two']) truth.get(name)?.set('mark', String(version));
      for (const name of names) {
        for (let edits = below(4); edits > 0; edits--) {
          const key = `d/${below(6)}`;
          if (random.next() < 0.3) truth.get(name)?.delete(key);
          else truth.get(name)?.set(key, String(version));
        }
      }
      const content = [...new Set([...names, 'one', 'two'])].map((name): [string, Map<string, ReturnType<typeof resource>>] => [
        name,
        new Map([...(truth.get(name) ?? [])].map(([key, value]) => [key, resource(key, value)])),
      ]);
      states.publish(new Map(content), String(version));
      for (const peer of peers) peer.published();
    };
    const peers: Peer[] = [];
    publish(COLLECTIONS);
    for (let count = 1 + below(3); count > 0; count--) peers.push(new Peer(states, random));
    const anyPeer = () => peers[below(peers.length)];
    for (let step = 0; step < STEPS; step++) {
      const what = random.next();
      if (what < 0.15) publish(COLLECTIONS.filter(() => random.next() < 0.5));
      else if (what < 0.2) anyPeer()?.connect();
      else anyPeer()?.step();
    }
    // Then everything goes well; what was refused comes again with the next change of each collection.
    for (let round = 0; round < 60; round++) {
      publish(COLLECTIONS);
      for (const peer of peers) while (peer.step());
    }
    for (const peer of peers) {
      expect(peer.torn).toEqual([]);
      for (let round = 0; round < 60 && !same(peer, truth); round++) {
        publish(COLLECTIONS);
        while (peer.step());
      }
      expect(peer.held).toEqual(truth);
    }
  },
);

function same(peer: Peer, truth: ReadonlyMap<string, ReadonlyMap<string, string>>): boolean {
  return [...truth].every(([name, content]) => {
    const held = peer.held.get(name);
    return held?.size === content.size && [...content].every(([key, value]) => held.get(key) === value);
  });
}

function resource(name: string, version: string) {
  return create(ResourceSchema, { metadata: { name, version } });
}
