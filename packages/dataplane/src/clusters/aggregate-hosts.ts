import { type PriorityHealth, priorityLoad } from '@xebec/balancing';
import type { Random } from '@xebec/core';
import type { Host } from './host.ts';
import type { HostRequest } from './host-selection.ts';

/** A cluster as an aggregate sees it. */
export interface AggregateMember {
  /** By priority. */
  readonly levels: readonly PriorityHealth[];
  readonly usesHash: boolean;
  choose(request: HostRequest): Host | undefined;
  ownerOf(host: Host): AggregateMember;
}

export interface AggregateOptions<M extends AggregateMember> {
  readonly names: readonly string[];
  find(name: string): M | undefined;
  readonly panicPercent: number;
  readonly random: Random;
}

/**
 * The hosts of an aggregate cluster: the priorities of its members in order make one list, load is spread over it as over the priorities
 * of one cluster, and the member whose turn it is chooses the host (envoy.clusters.aggregate). Members that do not exist are passed over.
 */
export class AggregateHosts<M extends AggregateMember> {
  readonly #options: AggregateOptions<M>;
  readonly #owners = new WeakMap<Host, M>();

  constructor(options: AggregateOptions<M>) {
    this.#options = options;
  }
  get #members(): M[] {
    return this.#options.names.flatMap((name) => this.#options.find(name) ?? []);
  }
  get usesHash(): boolean {
    return this.#members.some(({ usesHash }) => usesHash);
  }
  ownerOf(host: Host): M | undefined {
    return this.#owners.get(host);
  }
  choose(request: HostRequest): Host | undefined {
    const { panicPercent, random } = this.#options;
    const places = this.#members.flatMap((member) => member.levels.map((level, priority) => ({ member, level, priority })));
    const only = request.onlyPriority;
    const skipped = only === undefined ? undefined : new Set([...places.keys()].filter((index) => index !== only));
    const load = priorityLoad(
      places.map(({ level }) => level),
      panicPercent,
      140,
      skipped,
    );
    const drawn = request.hash === undefined ? Math.floor(random.next() * 100) : Number(request.hash % 100n);
    const place = placeAt(places, load.healthy, drawn) ?? placeAt(places, load.degraded, drawn - sum(load.healthy));
    if (place === undefined) return undefined;
    const host = place.member.choose({ ...request, retry: undefined, onlyPriority: place.priority });
    if (host !== undefined) this.#owners.set(host, place.member);
    return host;
  }
}

function placeAt<P>(places: readonly P[], loads: readonly number[], percent: number): P | undefined {
  let passed = 0;
  for (const [index, load] of loads.entries()) {
    passed += load;
    if (percent < passed) return places[index];
  }
  return undefined;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
