import {
  type ChooseContext,
  chooseAccepted,
  createLoadBalancer,
  createSubsetBalancer,
  type LoadBalancer,
  type LoadBalancerOptions,
  type MetadataCriteria,
  type ZoneAwareness,
} from '@xebec/balancing';
import type { Clock, Random } from '@xebec/core';
import type { StatsScope } from '@xebec/telemetry';
import type { BalancingConfig } from './balancing-config.ts';
import type { Host } from './host.ts';
import type { RetryHosts } from './retry-hosts.ts';

/** How one request wants its host. */
export interface HostRequest {
  /** From the route's hash policies; undefined when none applied. */
  readonly hash: bigint | undefined;
  /** Hosts that earlier attempts used, when the retry policy avoids them. */
  readonly avoid: ReadonlySet<Host> | undefined;
  /** ORIGINAL_DST: where the client's connection was going. */
  readonly destination: { readonly address: string; readonly port: number } | undefined;
  /** ORIGINAL_DST with a header: reads a request header. */
  readonly header: ((name: string) => string | undefined) | undefined;
  /** ORIGINAL_DST with a metadata key: reads the stream's dynamic metadata. */
  readonly dynamicMetadata?: ((namespace: string, path: readonly string[]) => unknown) | undefined;
  /** Among this priority only: a member of an aggregate cluster. */
  readonly onlyPriority?: number | undefined;
  /** The route's `metadata_match`, for clusters with subsets. */
  readonly metadata?: MetadataCriteria | undefined;
  /** What a retry keeps away from, and the hosts tried so far, in order. Instead of `avoid`. */
  readonly retry?: { readonly rules: RetryHosts; readonly tried: readonly Host[] } | undefined;
}

export interface SelectionParts {
  readonly balancing: BalancingConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsScope;
  /** Without: zones do not matter. */
  readonly zone: ZoneAwareness | undefined;
  hosts(): readonly Host[];
}

/** Chooses hosts by the cluster's policy; the balancer is built when it is next needed after hosts or their health changed. */
export class HostSelection {
  readonly #parts: SelectionParts;
  #balancer: LoadBalancer<Host> | undefined;
  #lastMergeMs = Number.NEGATIVE_INFINITY;
  #cancelMerge: (() => void) | undefined;
  overprovisioning = 140;
  weightedPriorityHealth = false;
  /** One for all choices: balancers do not keep it. */
  readonly #choice: {
    hash: bigint | undefined;
    attempt: number;
    metadata: MetadataCriteria | undefined;
    skippedPriorities: ReadonlySet<number> | undefined;
    readonly random: Random;
  };

  constructor(parts: SelectionParts) {
    this.#parts = parts;
    if (parts.balancing.subsets !== undefined)
      for (const name of ['selected', 'fallback', 'fallback_panic', 'created', 'removed']) parts.stats.counter(`lb_subsets_${name}`);
    this.#choice = { hash: undefined, attempt: 0, metadata: undefined, skippedPriorities: undefined, random: parts.random };
  }
  /** Hosts have come or gone: the next request sees it. */
  invalidate(): void {
    this.#cancelMerge?.();
    this.#cancelMerge = undefined;
    this.#balancer = undefined;
  }
  /** Only their health or weights have changed: changes that come soon after one another are taken over together, as Envoy does. */
  invalidateLater(): void {
    const { clock, balancing } = this.#parts;
    if (this.#cancelMerge !== undefined) return;
    const now = clock.monotonic();
    if (now - this.#lastMergeMs > balancing.mergeWindowMs) {
      this.#lastMergeMs = now;
      this.#balancer = undefined;
      return;
    }
    this.#cancelMerge = clock.setTimeout(() => {
      this.#cancelMerge = undefined;
      this.#lastMergeMs = clock.monotonic();
      this.#balancer = undefined;
    }, balancing.mergeWindowMs);
  }
  close(): void {
    this.#cancelMerge?.();
  }
  choose(request: HostRequest): Host | undefined {
    const choice = this.#choice;
    choice.hash = request.hash;
    choice.metadata = request.metadata;
    choice.skippedPriorities = request.onlyPriority === undefined ? undefined : this.#othersThan(request.onlyPriority);
    const { retry, avoid } = request;
    if (retry !== undefined && retry.tried.length > 0) {
      const { rules, tried } = retry;
      choice.skippedPriorities = rules.skippedPriorities(tried);
      return chooseAccepted(
        (attempt) => this.#chooseBy(choice, attempt),
        (host) => rules.rejects(host, tried),
        rules.maxReselections,
      );
    }
    if (avoid === undefined || avoid.size === 0) return this.#chooseBy(choice, 0);
    return chooseAccepted(
      (attempt) => this.#chooseBy(choice, attempt),
      (host) => avoid.has(host),
      5,
    );
  }
  #othersThan(only: number): ReadonlySet<number> {
    const others = new Set<number>();
    for (const { priority } of this.#parts.hosts()) if (priority !== only) others.add(priority);
    return others;
  }
  #chooseBy(choice: { attempt: number } & ChooseContext, attempt: number): Host | undefined {
    this.#balancer ??= this.#create();
    choice.attempt = attempt;
    return this.#balancer.choose(choice);
  }
  #create(): LoadBalancer<Host> {
    const { balancing, clock, stats, zone } = this.#parts;
    const { subsets } = balancing;
    const options: LoadBalancerOptions<Host> = {
      policy: balancing.policy,
      panicPercent: balancing.panicPercent,
      failsOnPanic: balancing.failsOnPanic,
      overprovisioning: this.overprovisioning,
      weightedPriorityHealth: this.weightedPriorityHealth,
      localityWeightOf: balancing.localityWeighted ? (host) => host.config.localityWeight : undefined,
      zone,
      now: () => clock.monotonic(),
      onEvent: (event) => stats.counter(event).add(1),
    };
    const hosts = this.#parts.hosts();
    if (subsets === undefined) {
      const balancer = createLoadBalancer(hosts, options);
      this.#showTable(balancer);
      return balancer;
    }
    const balancer = createSubsetBalancer(
      hosts,
      subsets,
      (host) => host.config.metadata['envoy.lb'] ?? {},
      (subset) => createLoadBalancer(subset, this.#subsetOptions(options, hosts, subset)),
      (event) => stats.counter(event).add(1),
    );
    const active = stats.gauge('lb_subsets_active');
    // Envoy's main thread has a balancer too, whose subsets count as well.
    const subsetCount = 2 * balancer.subsets;
    const difference = subsetCount - active.value;
    if (difference !== 0) stats.counter(difference > 0 ? 'lb_subsets_created' : 'lb_subsets_removed').add(Math.abs(difference));
    active.set(subsetCount);
    return balancer;
  }
  /** Locality weights count inside subsets only when asked for, by the part of a locality that is in the subset when scaled. */
  #subsetOptions(options: LoadBalancerOptions<Host>, all: readonly Host[], subset: readonly Host[]): LoadBalancerOptions<Host> {
    const { subsets, localityWeighted } = this.#parts.balancing;
    if (!localityWeighted || subsets?.localityWeightAware !== true) return { ...options, localityWeightOf: undefined };
    if (!subsets.scaleLocalityWeight) return options;
    const count = (hosts: readonly Host[], { locality }: Host) => hosts.filter((host) => host.locality === locality).length;
    const scaled = (host: Host) => Math.max(1, Math.round((host.config.localityWeight * count(subset, host)) / count(all, host)));
    return { ...options, localityWeightOf: scaled };
  }
  #showTable({ table }: LoadBalancer<Host>): void {
    if (table === undefined) return;
    const { stats, balancing } = this.#parts;
    const ring = balancing.policy.kind === 'ring-hash';
    const scope = stats.scope(ring ? 'ring_hash_lb' : 'maglev_lb');
    if (ring) scope.gauge('size').set(table.size);
    scope.gauge(ring ? 'min_hashes_per_host' : 'min_entries_per_host').set(table.minPerHost);
    scope.gauge(ring ? 'max_hashes_per_host' : 'max_entries_per_host').set(table.maxPerHost);
  }
}
