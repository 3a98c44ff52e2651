import type { Random } from '@xebec/core';
import type { Host } from './host.ts';

/** What a choice may depend on. */
export interface ChoiceContext {
  /** From the route's hash policies; undefined when none applied. */
  readonly hash: string | undefined;
  /** Hosts that earlier attempts used, when the retry policy avoids them. */
  readonly avoid: ReadonlySet<Host> | undefined;
}

export interface HostChooser {
  choose(context: ChoiceContext): Host | undefined;
}

export interface HostChooserOptions {
  readonly policy: 'round-robin' | 'least-request' | 'random';
  /** Share of hosts, 0 to 1, below which all are used, healthy or not. */
  readonly panicThreshold: number;
  readonly localityWeighted: boolean;
}

interface Group {
  readonly hosts: readonly Host[];
  readonly weight: number;
}

const overprovisioning = 1.4;
const avoidAttempts = 5;

/** Chooses hosts by priority, health, locality weight and policy. `hosts` changes seldom: call `update` then. */
export class WeightedChooser implements HostChooser {
  readonly #options: HostChooserOptions;
  readonly #random: Random;
  #priorities: readonly Group[] = [];
  #localities: readonly (readonly Group[])[] = [];
  #turn = 0;

  constructor(options: HostChooserOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#turn = Math.floor(random.next() * 1024);
  }
  update(hosts: Iterable<Host>): void {
    const byPriority: Host[][] = [];
    for (const host of hosts) {
      const list = byPriority[host.config.priority] ?? [];
      byPriority[host.config.priority] = list;
      list.push(host);
    }
    let remaining = 1;
    const priorities: Group[] = [];
    let best: Group | undefined;
    for (const all of byPriority) {
      if (all === undefined || all.length === 0) continue;
      const healthy = all.filter((host) => host.healthy);
      const availability = Math.min(1, (healthy.length / all.length) * overprovisioning);
      const panic = this.#options.panicThreshold > 0 && healthy.length / all.length < this.#options.panicThreshold;
      const weight = Math.min(remaining, availability);
      const group = { hosts: panic ? all : healthy, weight };
      if (best === undefined || (best.hosts.length === 0 && group.hosts.length > 0)) best = group;
      if (weight > 0) priorities.push(group);
      remaining -= weight;
    }
    // Nobody is healthy: panic hosts of the first priority that has some, else nothing.
    if (priorities.length === 0 && best !== undefined) priorities.push({ hosts: best.hosts, weight: 1 });
    this.#priorities = priorities;
    this.#localities = priorities.map((group) => (this.#options.localityWeighted ? groupByLocality(group.hosts) : []));
  }
  choose(context: ChoiceContext): Host | undefined {
    const { avoid } = context;
    let host: Host | undefined;
    for (let i = 0; i < avoidAttempts; i++) {
      host = this.#chooseOnce();
      if (host === undefined || avoid === undefined || !avoid.has(host)) return host;
    }
    return host;
  }
  #chooseOnce(): Host | undefined {
    const at = weightedIndex(this.#priorities, this.#random);
    const localities = this.#localities[at];
    const hosts =
      localities !== undefined && localities.length > 1
        ? localities[weightedIndex(localities, this.#random)]?.hosts
        : this.#priorities[at]?.hosts;
    if (hosts === undefined || hosts.length === 0) return undefined;
    if (hosts.length === 1) return hosts[0];
    switch (this.#options.policy) {
      case 'random':
        return weightedRandom(hosts, this.#random);
      case 'least-request': {
        const first = weightedRandom(hosts, this.#random);
        const second = weightedRandom(hosts, this.#random);
        return first.activeRequests <= second.activeRequests ? first : second;
      }
      default:
        this.#turn++;
        return roundRobin(hosts, this.#turn);
    }
  }
}

function groupByLocality(hosts: readonly Host[]): Group[] {
  const groups = new Map<string, Host[]>();
  for (const host of hosts) {
    const { region = '', zone = '', subZone = '' } = host.config.locality ?? {};
    const key = `${region}/${zone}/${subZone}`;
    const list = groups.get(key) ?? [];
    groups.set(key, list);
    list.push(host);
  }
  return [...groups.values()]
    .map((list) => ({ hosts: list, weight: list[0]?.config.localityWeight ?? 0 }))
    .filter((group) => group.weight > 0);
}

function weightedIndex(groups: readonly Group[], random: Random): number {
  if (groups.length <= 1) return 0;
  let total = 0;
  for (const group of groups) total += group.weight;
  let at = random.next() * total;
  for (let i = 0; i < groups.length; i++) {
    at -= groups[i]?.weight ?? 0;
    if (at < 0) return i;
  }
  return groups.length - 1;
}

function totalWeight(hosts: readonly Host[]): number {
  let total = 0;
  for (const host of hosts) total += host.config.weight;
  return total;
}

function weightedRandom(hosts: readonly Host[], random: Random): Host {
  return atWeight(hosts, random.next() * totalWeight(hosts));
}

function roundRobin(hosts: readonly Host[], turn: number): Host {
  const total = totalWeight(hosts);
  if (total === hosts.length) return hosts[turn % hosts.length] as Host;
  return atWeight(hosts, turn % total);
}

function atWeight(hosts: readonly Host[], point: number): Host {
  let at = point;
  for (const host of hosts) {
    at -= host.config.weight;
    if (at < 0) return host;
  }
  return hosts[hosts.length - 1] as Host;
}
