import type { Random } from '@xebec/core';
import { EdfSchedule } from './edf-schedule.ts';
import type { Host } from './host.ts';

export interface ChooseContext {
  /** Of the request, for ring hash and maglev; without it they choose at random. */
  readonly hash?: bigint | undefined;
  readonly random: Random;
  /** How often this request has been given a host that it had tried: the same hash then finds others. 0. */
  readonly attempt?: number;
}

/** Chooses among a fixed, not empty list of hosts. */
export type HostPicker<H extends Host = Host> = (context: ChooseContext) => H;

/** A host's weight now: slow start changes it over time. */
export type WeightOf = (host: Host) => number;

export function createRandomPicker<H extends Host>(hosts: readonly H[]): HostPicker<H> {
  return ({ random }) => hosts[Math.floor(random.next() * hosts.length)] as H;
}

/** In turn; with unequal weights as often as their weight says. */
export function createRoundRobinPicker<H extends Host>(hosts: readonly H[], weightOf: WeightOf, steady: boolean): HostPicker<H> {
  if (steady && equalWeights(hosts)) {
    let at = -1;
    return ({ random }) => {
      // A random start keeps many proxies from hitting the same host first.
      at = at < 0 ? Math.floor(random.next() * hosts.length) : at + 1 >= hosts.length ? 0 : at + 1;
      return hosts[at] as H;
    };
  }
  const schedule = new EdfSchedule(hosts, weightOf);
  return () => schedule.next() as H;
}

/** The less busy of `choices` random hosts; with unequal weights in turn by weight / (active requests + 1). */
export function createLeastRequestPicker<H extends Host>(
  hosts: readonly H[],
  weightOf: WeightOf,
  steady: boolean,
  choices = 2,
): HostPicker<H> {
  if (!steady || !equalWeights(hosts)) {
    const schedule = new EdfSchedule(hosts, (host) => weightOf(host) / (host.activeRequests + 1));
    return () => schedule.next() as H;
  }
  return ({ random }) => {
    let best = hosts[Math.floor(random.next() * hosts.length)] as H;
    for (let i = 1; i < choices; i++) {
      const other = hosts[Math.floor(random.next() * hosts.length)] as H;
      if (other.activeRequests < best.activeRequests) best = other;
    }
    return best;
  };
}

function equalWeights(hosts: readonly Host[]): boolean {
  return hosts.every((host) => host.weight === hosts[0]?.weight);
}

/** The request's hash, or a random one. */
export function hashOf(context: ChooseContext): bigint {
  return context.hash ?? (BigInt(Math.floor(context.random.next() * 2 ** 32)) << 32n) | BigInt(Math.floor(context.random.next() * 2 ** 32));
}
