import type { Host } from './host.ts';
import { healthOf } from './host.ts';
import {
  type ChooseContext,
  createLeastRequestPicker,
  createRandomPicker,
  createRoundRobinPicker,
  type HostPicker,
  hashOf,
} from './host-picker.ts';
import { createMaglevPicker } from './maglev.ts';
import { type PriorityLoad, priorityLoad } from './priority-load.ts';
import { createRingHashPicker, type RingHashOptions } from './ring-hash.ts';

export type BalancingPolicy =
  | { readonly kind: 'round-robin'; readonly slowStart?: SlowStart | undefined }
  | { readonly kind: 'least-request'; readonly choices?: number | undefined; readonly slowStart?: SlowStart | undefined }
  | { readonly kind: 'random' }
  | ({ readonly kind: 'ring-hash' } & RingHashOptions)
  | { readonly kind: 'maglev'; readonly tableSize?: number | undefined };

/** A new host's weight grows to its full size: weight · max(min %, (age / window)^(1 / aggression)). */
export interface SlowStart {
  readonly windowMs: number;
  readonly aggression?: number | undefined;
  readonly minWeightPercent?: number | undefined;
}

export interface LoadBalancerOptions<H extends Host = Host> {
  readonly policy: BalancingPolicy;
  /** Below this share of healthy hosts a priority balances over all. Envoy 50; Istio sets 0 with outlier detection. */
  readonly panicPercent?: number | undefined;
  readonly overprovisioning?: number | undefined;
  /** Weight of a host's locality: load is split by it before hosts are chosen. Without, localities do not matter inside a priority. */
  readonly localityWeightOf?: ((host: H) => number) | undefined;
  /** Milliseconds; only for slow start. */
  readonly now?: (() => number) | undefined;
}

export interface LoadBalancer<H extends Host = Host> {
  /** A host, or undefined when there is none to send to. */
  choose(context: ChooseContext): H | undefined;
  /** Whether the balancer goes by `context.hash`. */
  readonly usesHash: boolean;
}

interface Group<H extends Host> {
  readonly weight: number;
  readonly pick: HostPicker<H>;
}

/**
 * A balancer over one state of the hosts: build another when hosts, health or ejections change. Building costs a pass over the
 * hosts (ring hash and maglev: their tables); choosing costs no allocation.
 */
export function createLoadBalancer<H extends Host>(hosts: readonly H[], options: LoadBalancerOptions<H>): LoadBalancer<H> {
  const levels: H[][] = [];
  for (const host of hosts) {
    while (levels.length <= host.priority) levels.push([]);
    levels[host.priority]?.push(host);
  }
  const counts = levels.map((level) => ({
    total: level.length,
    healthy: level.filter((host) => healthOf(host) === 'healthy').length,
    degraded: level.filter((host) => healthOf(host) === 'degraded').length,
  }));
  const load = priorityLoad(counts, options.panicPercent ?? 50, options.overprovisioning ?? 140);
  const healthy = levels.map((level, i) =>
    createGroups(
      load.panic[i] === true ? level : level.filter((host) => healthOf(host) === 'healthy'),
      level,
      options,
      load.panic[i] === true,
    ),
  );
  const degraded = levels.map((level) =>
    createGroups(
      level.filter((host) => healthOf(host) === 'degraded'),
      level,
      options,
      false,
    ),
  );
  const usesHash = options.policy.kind === 'ring-hash' || options.policy.kind === 'maglev';
  return {
    usesHash,
    choose(context) {
      const pinned = usesHash && context.hash === undefined ? { ...context, hash: hashOf(context) } : context;
      const percent = usesHash ? Number(hashOf(pinned) % 100n) : Math.floor(pinned.random.next() * 100);
      const groups = groupsAt(load, healthy, degraded, percent);
      return groups === undefined ? undefined : pickGroup(groups, pinned)?.pick(pinned);
    },
  };
}

function groupsAt<H extends Host>(
  load: PriorityLoad,
  healthy: readonly Group<H>[][],
  degraded: readonly Group<H>[][],
  percent: number,
): readonly Group<H>[] | undefined {
  let passed = 0;
  for (let i = 0; i < healthy.length; i++) {
    passed += load.healthy[i] ?? 0;
    if (percent < passed) return healthy[i];
  }
  for (let i = 0; i < degraded.length; i++) {
    passed += load.degraded[i] ?? 0;
    if (percent < passed) return degraded[i];
  }
  return undefined;
}

function pickGroup<H extends Host>(groups: readonly Group<H>[], context: ChooseContext): Group<H> | undefined {
  if (groups.length <= 1) return groups[0];
  let total = 0;
  for (const group of groups) total += group.weight;
  // The same hash must find the same locality.
  const share = context.hash === undefined ? context.random.next() : Number((context.hash >> 16n) % 10_000n) / 10_000;
  let at = share * total;
  for (const group of groups) {
    at -= group.weight;
    if (at < 0) return group;
  }
  return groups.at(-1);
}

/** One group a locality when localities are weighted; else one for all. */
function createGroups<H extends Host>(
  chosen: readonly H[],
  all: readonly H[],
  options: LoadBalancerOptions<H>,
  panic: boolean,
): Group<H>[] {
  if (chosen.length === 0) return [];
  const weightOf = options.localityWeightOf;
  if (weightOf === undefined || panic) return [{ weight: 1, pick: createPicker(chosen, options) }];
  const groups: Group<H>[] = [];
  for (const [locality, hosts] of Map.groupBy(chosen, (host) => host.locality)) {
    const total = all.filter((host) => host.locality === locality).length;
    // A locality that lost hosts keeps its weight while overprovisioning makes up for them.
    const availability = Math.min(1, ((options.overprovisioning ?? 140) / 100) * (hosts.length / total));
    const weight = weightOf(hosts[0] as H) * availability;
    if (weight > 0) groups.push({ weight, pick: createPicker(hosts, options) });
  }
  return groups.length > 0 ? groups : [{ weight: 1, pick: createPicker(chosen, options) }];
}

function createPicker<H extends Host>(hosts: readonly H[], options: LoadBalancerOptions<H>): HostPicker<H> {
  const policy = options.policy;
  switch (policy.kind) {
    case 'random':
      return createRandomPicker(hosts);
    case 'ring-hash':
      return createRingHashPicker(hosts, policy);
    case 'maglev':
      return createMaglevPicker(hosts, policy.tableSize);
    case 'round-robin':
      return createRoundRobinPicker(hosts, weightFunction(policy.slowStart, options.now), policy.slowStart === undefined);
    case 'least-request':
      return createLeastRequestPicker(hosts, weightFunction(policy.slowStart, options.now), policy.slowStart === undefined, policy.choices);
  }
}

function weightFunction(slowStart: SlowStart | undefined, now: (() => number) | undefined): (host: Host) => number {
  if (slowStart === undefined || now === undefined) return (host) => host.weight;
  const exponent = 1 / (slowStart.aggression ?? 1);
  const least = (slowStart.minWeightPercent ?? 10) / 100;
  return (host) => {
    const age = now() - (host.addedAtMs ?? Number.NEGATIVE_INFINITY);
    if (age >= slowStart.windowMs) return host.weight;
    return host.weight * Math.max(least, (Math.max(age, 1) / slowStart.windowMs) ** exponent);
  };
}
