import type { Clock } from '@xebec/core';
import type { MeshSnapshot } from '@xebec/model';
import type { ConfigObject } from '@xebec/schemas';
import { type ConfigReference, generateAll } from '@xebec/translate';
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, shortTypeName } from '@xebec/xds';
import type { AdsServer } from '../ads-server.ts';
import type { MeshState } from '../mesh-state.ts';
import type { ProxyStream } from '../proxy-stream.ts';

/** A proxy that refused a resource made from an object. */
export interface RefusedBy {
  readonly proxy: string;
  /** `LDS`. */
  readonly type: string;
  readonly resources: readonly string[];
  readonly message: string;
}

/** How far the proxies are with the current generation of an object. */
export interface Progress {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly generation: number;
  readonly resourceVersion: string;
  readonly proxies: number;
  readonly live: number;
  readonly state: 'live' | 'pending' | 'rejected' | 'invalid';
  /** Proxies that have not answered yet; the first of them. */
  readonly waiting: readonly string[];
  readonly rejected: readonly RefusedBy[];
  /** Why the object is not in force at all. */
  readonly problem?: string;
}

/** Which objects are meant: empty fields mean any. */
export interface ObjectSelection {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The object must be of this generation or a later one. */
  readonly generation: number;
}

const MAX_NAMED = 20;
const POLL_MS = 50;
const MAX_WAIT_MS = 60_000;

/**
 * Tells on how many proxies each object is live. A proxy runs an object's current generation once it has answered for all of a
 * snapshot that holds it, and has refused no resource that the object had a part in.
 */
export class ObjectProgress {
  readonly #ads: AdsServer;
  readonly #state: MeshState;
  readonly #clock: Clock;
  readonly #sequences = new WeakMap<MeshSnapshot, number>();
  readonly #since = new Map<string, { readonly object: ConfigObject; readonly sequence: number }>();
  readonly #provenance = new WeakMap<ProxyStream, { readonly snapshot: MeshSnapshot; readonly of: ReturnType<typeof provenanceIndex> }>();
  #sequence = 0;

  constructor(ads: AdsServer, state: MeshState, clock: Clock) {
    this.#ads = ads;
    this.#state = state;
    this.#clock = clock;
    state.subscribe((snapshot, { kind }) => {
      this.#sequences.set(snapshot, ++this.#sequence);
      if (kind === 'full') this.#note();
    });
  }
  /** The objects that are in force, with how far the proxies are. */
  list(selection: ObjectSelection): readonly Progress[] {
    const matches = ({ kind, metadata }: ConfigObject) =>
      (selection.kind === '' || kind === selection.kind) &&
      (selection.namespace === '' || metadata.namespace === selection.namespace) &&
      (selection.name === '' || metadata.name === selection.name) &&
      metadata.generation >= selection.generation;
    const streams = this.#ads.connections().filter(({ connection }) => connection !== undefined);
    const refusing = streams.map((stream) => ({ stream, refusals: stream.refusals() })).filter(({ refusals }) => refusals.length > 0);
    return [...this.#since.values()]
      .filter(({ object }) => matches(object))
      .map(({ object, sequence }) => this.#progressOf(object, sequence, streams, refusing));
  }
  /** Resolves when all that is selected is live or refused, or the time is over. */
  async wait(selection: ObjectSelection, waitMs: number): Promise<readonly Progress[]> {
    const end = this.#clock.monotonic() + Math.min(waitMs, MAX_WAIT_MS);
    for (;;) {
      const list = this.list(selection);
      const done = list.length > 0 && list.every(({ state }) => state !== 'pending');
      if (done || this.#clock.monotonic() >= end) return list;
      await new Promise<void>((resolve) => this.#clock.setTimeout(resolve, POLL_MS));
    }
  }
  /** `?kind=&namespace=&name=&generation=&wait=10s`. */
  page(query: URLSearchParams): Promise<readonly Progress[]> {
    const text = (name: string) => query.get(name) ?? '';
    const selection = { kind: text('kind'), namespace: text('namespace'), name: text('name'), generation: Number(text('generation')) || 0 };
    return this.wait(selection, (Number(/^(\d+(?:\.\d+)?)s?$/.exec(text('wait'))?.[1]) || 0) * 1000);
  }

  #note(): void {
    const gone = new Set(this.#since.keys());
    for (const object of this.#state.config()) {
      const key = keyOf(object);
      gone.delete(key);
      if (this.#since.get(key)?.object !== object) this.#since.set(key, { object, sequence: this.#sequence });
    }
    for (const key of gone) this.#since.delete(key);
  }
  #progressOf(
    object: ConfigObject,
    sequence: number,
    streams: readonly ProxyStream[],
    refusing: readonly { readonly stream: ProxyStream; readonly refusals: ReturnType<ProxyStream['refusals']> }[],
  ): Progress {
    const waiting = streams.filter(({ reached }) => (reached === undefined ? 0 : (this.#sequences.get(reached) ?? 0)) < sequence);
    const rejected = refusing.flatMap(({ stream, refusals }) =>
      waiting.includes(stream)
        ? []
        : refusals
            .filter((refusal) => this.#hasPart(object, sequence, stream, refusal))
            .map(({ typeUrl, resources, message }) => ({ proxy: stream.proxy.id, type: shortTypeName(typeUrl), resources, message })),
    );
    const { kind, metadata } = object;
    const refused = new Set(rejected.map(({ proxy }) => proxy)).size;
    return {
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
      generation: metadata.generation,
      resourceVersion: metadata.resourceVersion,
      proxies: streams.length,
      live: streams.length - waiting.length - refused,
      state: refused > 0 ? 'rejected' : waiting.length > 0 ? 'pending' : 'live',
      waiting: waiting.slice(0, MAX_NAMED).map(({ proxy }) => proxy.id),
      rejected: rejected.slice(0, MAX_NAMED),
    };
  }
  /** Whether a refused resource was made from the object; where nothing tells, whether the refusal came with it or after. */
  #hasPart(object: ConfigObject, sequence: number, stream: ProxyStream, refusal: ReturnType<ProxyStream['refusals']>[number]): boolean {
    let known = this.#provenance.get(stream);
    if (known?.snapshot !== stream.snapshot) {
      known = { snapshot: stream.snapshot, of: provenanceIndex(stream) };
      this.#provenance.set(stream, known);
    }
    const makes = known.of.get(keyOf(object));
    if (makes !== undefined) return refusal.resources.some((name) => makes.has(`${refusal.typeUrl} ${name}`));
    return (this.#sequences.get(refusal.at) ?? 0) >= sequence;
  }
}

function keyOf({ kind, metadata }: ConfigObject): string {
  return `${kind}/${metadata.namespace}/${metadata.name}`;
}

/** `TYPE NAME` of the resources that each object had a part in, for one proxy. */
function provenanceIndex({ snapshot, proxy }: ProxyStream): ReadonlyMap<string, ReadonlySet<string>> {
  const { clusters, listeners, routes, endpoints } = generateAll(snapshot, proxy);
  const index = new Map<string, Set<string>>();
  const add = (typeUrl: string, list: readonly { readonly name: string; readonly provenance: readonly ConfigReference[] }[]) => {
    for (const { name, provenance } of list) {
      for (const { kind, namespace, name: object } of provenance) {
        const key = `${kind}/${namespace}/${object}`;
        const set = index.get(key) ?? new Set();
        index.set(key, set.add(`${typeUrl} ${name}`));
      }
    }
  };
  add(CLUSTER_TYPE, clusters);
  add(LISTENER_TYPE, listeners);
  add(ROUTE_TYPE, routes);
  add(ENDPOINT_TYPE, endpoints);
  return index;
}
