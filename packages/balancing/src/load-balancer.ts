import { createBoundedLoadPicker } from './bounded-load.ts';
import { type Host, healthOf } from './host.ts';
import { createLocalityPicker, type GroupPicker } from './host-groups.ts';
import {
  type ChooseContext,
  createLeastRequestPicker,
  createRandomPicker,
  createRoundRobinPicker,
  type HostPicker,
  hashOf,
  type LeastRequestOptions,
} from './host-picker.ts';
import { createMaglevPicker } from './maglev.ts';
import { normalizedWeights } from './normalized-weights.ts';
import { type PriorityHealth, type PriorityLoad, priorityLoad } from './priority-load.ts';
import { createRingHashPicker, type HashTableSize, type RingHashOptions } from './ring-hash.ts';
import { type SlowStart, slowStartFactor } from './slow-start.ts';
import { createZoneRoute, type ZoneAwareness, type ZoneEvent } from './zone-routing.ts';

export type BalancingPolicy =
  | { readonly kind: 'round-robin'; readonly slowStart?: SlowStart | undefined }
  | ({ readonly kind: 'least-request'; readonly slowStart?: SlowStart | undefined } & LeastRequestOptions)
  | { readonly kind: 'random' }
  | ({ readonly kind: 'ring-hash'; readonly balanceFactor?: number | undefined } & RingHashOptions)
  | { readonly kind: 'maglev'; readonly tableSize?: number | undefined; readonly balanceFactor?: number | undefined };

export type BalancingEvent = 'lb_healthy_panic' | ZoneEvent;

export interface LoadBalancerOptions<H extends Host = Host> {
  readonly policy: BalancingPolicy;
  /** Below this share of healthy hosts a priority balances over all. Envoy 50; Istio sets 0 with outlier detection. */
  readonly panicPercent?: number | undefined;
  /** In panic nothing is chosen. */
  readonly failsOnPanic?: boolean | undefined;
  readonly overprovisioning?: number | undefined;
  /** Priorities are as healthy as the weights of their healthy hosts say, not their number. */
  readonly weightedPriorityHealth?: boolean | undefined;
  /** Weight of a host's locality: load is split by it before hosts are chosen. Without, localities do not matter inside a priority. */
  readonly localityWeightOf?: ((host: H) => number) | undefined;
  /** Prefers the own zone in priority 0; not together with locality weights. */
  readonly zone?: ZoneAwareness | undefined;
  /** Milliseconds; only for slow start. */
  readonly now?: (() => number) | undefined;
  readonly onEvent?: ((event: BalancingEvent) => void) | undefined;
}

export interface LoadBalancer<H extends Host = Host> {
  /** A host, or undefined when there is none to send to. */
  choose(context: ChooseContext): H | undefined;
  /** Whether the balancer goes by `context.hash`. */
  readonly usesHash: boolean;
  /** Of ring hash and maglev, priority 0. */
  readonly table?: HashTableSize | undefined;
}

/**
 * A balancer over one state of the hosts: build another when hosts, health or ejections change. Building costs a pass over the
 * hosts (ring hash and maglev: their tables); choosing costs no allocation.
 */
export function createLoadBalancer<H extends Host>(hosts: readonly H[], options: LoadBalancerOptions<H>): LoadBalancer<H> {
  const levels = byPriority(hosts);
  const panicPercent = options.panicPercent ?? 50;
  const overprovisioning = options.overprovisioning ?? 140;
  const counts = levels.map((level) => healthOfLevel(level, options.weightedPriorityHealth ?? false));
  const load = priorityLoad(counts, panicPercent, overprovisioning);
  const usesHash = options.policy.kind === 'ring-hash' || options.policy.kind === 'maglev';
  const factory = usesHash ? createHashedLevels(options) : createLevels(options);
  const built = levels.map((level, i) => factory.build(level, i, load.panic[i] === true));
  const onEvent = options.onEvent;
  const failsOnPanic = options.failsOnPanic ?? false;
  const onlyFirst = load.healthy[0] === 100;
  return {
    usesHash,
    table: factory.table(),
    choose(context) {
      const pinned = usesHash && context.hash === undefined ? { ...context, hash: hashOf(context) } : context;
      const skipped = context.skippedPriorities;
      const now = skipped === undefined || skipped.size === 0 ? load : priorityLoad(counts, panicPercent, overprovisioning, skipped);
      const slot =
        onlyFirst && now === load ? 0 : slotAt(now, usesHash ? Number(hashOf(pinned) % 100n) : Math.floor(pinned.random.next() * 100));
      const level = built[slot >> 1];
      if (level === undefined) {
        if (panicPercent > 0) onEvent?.('lb_healthy_panic');
        return undefined;
      }
      if (load.panic[slot >> 1] === true) {
        onEvent?.('lb_healthy_panic');
        if (failsOnPanic && !usesHash) return undefined;
      }
      return ((slot & 1) === 1 ? level.degraded : level.healthy)?.(pinned);
    },
  };
}

function byPriority<H extends Host>(hosts: readonly H[]): H[][] {
  const levels: H[][] = [];
  for (const host of hosts) {
    while (levels.length <= host.priority) levels.push([]);
    levels[host.priority]?.push(host);
  }
  return levels;
}

/** How healthy each priority is; by the weights of hosts instead of their number when `weighted`. */
export function healthByPriority(hosts: readonly Host[], weighted: boolean): PriorityHealth[] {
  return byPriority(hosts).map((level) => healthOfLevel(level, weighted));
}

function healthOfLevel(level: readonly Host[], weighted: boolean): PriorityHealth {
  let total = 0;
  let healthy = 0;
  let degraded = 0;
  let count = 0;
  let available = 0;
  for (const host of level) {
    if (host.excluded === true) continue;
    const part = weighted ? host.weight : 1;
    const health = healthOf(host);
    total += part;
    count++;
    if (health === 'unhealthy') continue;
    available++;
    if (health === 'healthy') healthy += part;
    else degraded += part;
  }
  return { total, healthy, degraded, all: level.length, availablePercent: count === 0 ? 0 : (100 * available) / count };
}

/** Twice the priority, one more for its degraded hosts; -1 for none. */
function slotAt(load: PriorityLoad, percent: number): number {
  let passed = 0;
  for (let i = 0; i < load.healthy.length; i++) {
    passed += load.healthy[i] ?? 0;
    if (percent < passed) return 2 * i;
  }
  for (let i = 0; i < load.degraded.length; i++) {
    passed += load.degraded[i] ?? 0;
    if (percent < passed) return 2 * i + 1;
  }
  return -1;
}

interface Level<H extends Host> {
  readonly healthy: GroupPicker<H>;
  readonly degraded: GroupPicker<H>;
}

interface LevelFactory<H extends Host> {
  build(level: readonly H[], priority: number, panic: boolean): Level<H>;
  table(): HashTableSize | undefined;
}

function createLevels<H extends Host>(options: LoadBalancerOptions<H>): LevelFactory<H> {
  const create = (hosts: readonly H[]) => createPicker(hosts, options);
  const grouped = (chosen: readonly H[], all: readonly H[]): GroupPicker<H> =>
    options.localityWeightOf === undefined
      ? flat(chosen, create)
      : createLocalityPicker(chosen, all, options.localityWeightOf, options.overprovisioning ?? 140, create);
  return {
    table: () => undefined,
    build(level, priority, panic) {
      if (panic) return { healthy: flat(level, create), degraded: flat(level, create) };
      const healthy = level.filter((host) => healthOf(host) === 'healthy');
      const degraded = level.filter((host) => healthOf(host) === 'degraded');
      const zoned = priority === 0 && options.localityWeightOf === undefined ? zonePicker(healthy, options, create) : undefined;
      return { healthy: zoned ?? grouped(healthy, level), degraded: grouped(degraded, level) };
    },
  };
}

function flat<H extends Host>(hosts: readonly H[], create: (hosts: readonly H[]) => HostPicker<H>): GroupPicker<H> {
  return hosts.length === 0 ? undefined : create(hosts);
}

function zonePicker<H extends Host>(
  healthy: readonly H[],
  options: LoadBalancerOptions<H>,
  create: (hosts: readonly H[]) => HostPicker<H>,
): GroupPicker<H> {
  if (options.zone === undefined || healthy.length === 0) return undefined;
  const groups = Map.groupBy(healthy, (host) => host.locality);
  const counts = new Map([...groups].map(([locality, group]) => [locality, group.length]));
  const route = createZoneRoute(counts, options.zone, (event) => options.onEvent?.(event));
  if (route === undefined) return undefined;
  const any = create(healthy);
  const pickers = new Map([...groups].map(([locality, group]) => [locality, create(group)]));
  return (context) => (pickers.get(route.choose(context.random) ?? '\0') ?? any)(context);
}

/** Consistent hashing puts the healthy hosts of a priority, or all in panic, into one table; degraded ones have no part in it. */
function createHashedLevels<H extends Host>(options: LoadBalancerOptions<H>): LevelFactory<H> {
  const { policy } = options;
  let first: HashTableSize | undefined;
  return {
    table: () => first,
    build(level, priority, panic) {
      const chosen = panic ? level : level.filter((host) => healthOf(host) === 'healthy');
      const weighted = normalizedWeights(chosen, options.localityWeightOf, level);
      if (weighted.length === 0) return { healthy: undefined, degraded: undefined };
      const { pick, size } =
        policy.kind === 'maglev'
          ? createMaglevPicker(weighted, policy.tableSize)
          : createRingHashPicker(weighted, policy.kind === 'ring-hash' ? policy : {});
      if (priority === 0) first = size;
      const factor = 'balanceFactor' in policy ? (policy.balanceFactor ?? 0) : 0;
      const picker = factor > 0 ? createBoundedLoadPicker(pick, weighted, factor) : pick;
      return { healthy: picker, degraded: picker };
    },
  };
}

function createPicker<H extends Host>(hosts: readonly H[], options: LoadBalancerOptions<H>): HostPicker<H> {
  const { policy, now } = options;
  if (policy.kind === 'random') return createRandomPicker(hosts);
  const slowStart = 'slowStart' in policy ? policy.slowStart : undefined;
  // Weights stand still once the youngest host has grown up.
  const steady =
    slowStart === undefined || now === undefined || hosts.every((host) => now() - (host.healthySinceMs ?? 0) >= slowStart.windowMs);
  const weightOf =
    steady || slowStart === undefined || now === undefined
      ? (host: Host) => host.weight
      : (host: Host) => host.weight * slowStartFactor(slowStart, host, now());
  return policy.kind === 'least-request'
    ? createLeastRequestPicker(hosts, weightOf, steady, policy)
    : createRoundRobinPicker(hosts, weightOf, steady);
}
