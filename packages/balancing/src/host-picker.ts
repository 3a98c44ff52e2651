import type { Random } from '@xebec/core';
import { EdfSchedule } from './edf-schedule.ts';
import type { Host } from './host.ts';
import type { MetadataCriteria } from './subset-criteria.ts';

export interface ChooseContext {
  /** Of the request, for ring hash and maglev; without it they choose at random. */
  readonly hash?: bigint | undefined;
  readonly random: Random;
  /** How often this request has been given a host that it had tried: the same hash then finds others. 0. */
  readonly attempt?: number;
  /** What a host's `envoy.lb` metadata must be, where the cluster has subsets. */
  readonly metadata?: MetadataCriteria | undefined;
  /** Priorities that a retry keeps away from while others are available. */
  readonly skippedPriorities?: ReadonlySet<number> | undefined;
}

/** Chooses among a fixed, not empty list of hosts. */
export type HostPicker<H extends Host = Host> = (context: ChooseContext) => H;

/** A host's weight now: slow start changes it over time. */
export type WeightOf = (host: Host) => number;

/** Every host as likely as any other, whatever its weight. */
export function createRandomPicker<H extends Host>(hosts: readonly H[]): HostPicker<H> {
  return ({ random }) => hosts[Math.floor(random.next() * hosts.length)] as H;
}

/** In turn; with unequal weights as often as their weight says. */
export function createRoundRobinPicker<H extends Host>(hosts: readonly H[], weightOf: WeightOf, steady: boolean): HostPicker<H> {
  if (hosts.length === 1 || (steady && equalWeights(hosts))) {
    let at = -1;
    return ({ random }) => {
      // A random start keeps many proxies from hitting the same host first.
      at = at < 0 ? Math.floor(random.next() * hosts.length) : at + 1 >= hosts.length ? 0 : at + 1;
      return hosts[at] as H;
    };
  }
  return createScheduledPicker(hosts, weightOf);
}

export interface LeastRequestOptions {
  /** Of this many random hosts the least busy is taken. 2. */
  readonly choices?: number | undefined;
  /** With unequal weights: how much active requests count, `weight / (active + 1)^bias`. 1. */
  readonly bias?: number | undefined;
  /** Looks at all hosts instead of some. */
  readonly fullScan?: boolean | undefined;
}

/** The less busy of some random hosts; with unequal weights in turn by weight / (active requests + 1)^bias. */
export function createLeastRequestPicker<H extends Host>(
  hosts: readonly H[],
  weightOf: WeightOf,
  steady: boolean,
  options: LeastRequestOptions = {},
): HostPicker<H> {
  const { choices = 2, bias = 1, fullScan = false } = options;
  if (hosts.length > 1 && (!steady || !equalWeights(hosts)))
    return createScheduledPicker(
      hosts,
      (host) => weightOf(host) / (bias === 1 ? host.activeRequests + 1 : (host.activeRequests + 1) ** bias),
    );
  if (fullScan) return (context) => leastBusy(hosts, context.random);
  return ({ random }) => {
    let best = hosts[Math.floor(random.next() * hosts.length)] as H;
    for (let i = 1; i < choices; i++) {
      const other = hosts[Math.floor(random.next() * hosts.length)] as H;
      if (other.activeRequests < best.activeRequests) best = other;
    }
    return best;
  };
}

/** The least busy of all; of several one at random. */
function leastBusy<H extends Host>(hosts: readonly H[], random: Random): H {
  let best = hosts[0] as H;
  let ties = 1;
  for (let i = 1; i < hosts.length; i++) {
    const other = hosts[i] as H;
    if (other.activeRequests > best.activeRequests) continue;
    ties = other.activeRequests < best.activeRequests ? 1 : ties + 1;
    if (ties === 1 || random.next() * ties < 1) best = other;
  }
  return best;
}

function createScheduledPicker<H extends Host>(hosts: readonly H[], weightOf: (host: H) => number): HostPicker<H> {
  let schedule: EdfSchedule<H> | undefined;
  return ({ random }) => {
    if (schedule === undefined) {
      schedule = new EdfSchedule(hosts, weightOf);
      for (let skipped = Math.floor(random.next() * hosts.length); skipped > 0; skipped--) schedule.next();
    }
    return schedule.next() as H;
  };
}

function equalWeights(hosts: readonly Host[]): boolean {
  const weight = hosts[0]?.weight;
  return hosts.every((host) => host.weight === weight);
}

/** The request's hash, or a random one. */
export function hashOf(context: ChooseContext): bigint {
  return context.hash ?? (BigInt(Math.floor(context.random.next() * 2 ** 32)) << 32n) | BigInt(Math.floor(context.random.next() * 2 ** 32));
}
