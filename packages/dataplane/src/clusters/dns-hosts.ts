import { isIP } from 'node:net';
import { type Clock, errorText, type Logger, type Random } from '@xebec/core';
import type { StatsScope } from '@xebec/telemetry';
import type { DnsAnswer } from './dns-resolver.ts';
import type { HostConfig } from './host.ts';

export interface DnsHostsOptions {
  readonly templates: readonly HostConfig[];
  /** Only the first address counts (LOGICAL_DNS). */
  readonly onlyFirst: boolean;
  readonly refreshMs: number;
  readonly jitterMs: number;
  /** After a failure: starts with the base, doubles up to the maximum. Undefined is the normal rate. */
  readonly failureRefresh: { readonly baseMs: number; readonly maxMs: number } | undefined;
  /** A record's time to live is the rate. */
  readonly respectTtl: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly stats: StatsScope;
  resolve(name: string): Promise<DnsAnswer>;
  onHosts(hosts: readonly HostConfig[]): void;
}

/** Keeps the addresses of named endpoints up to date, each name at its own rate. What cannot be resolved keeps its last addresses. */
export class DnsHosts {
  readonly #options: DnsHostsOptions;
  readonly #known = new Map<string, readonly string[]>();
  readonly #failures = new Map<string, number>();
  readonly #timers = new Map<string, () => void>();
  readonly #waiting: Set<string>;
  #closed = false;

  constructor(options: DnsHostsOptions) {
    this.#options = options;
    const names = new Set(options.templates.map((template) => (template.address.kind === 'tcp' ? template.address.address : '')));
    this.#waiting = new Set([...names].filter((name) => name !== '' && isIP(name) === 0));
    for (const name of names) if (isIP(name) !== 0) this.#known.set(name, [name]);
    if (this.#waiting.size === 0) this.#announce();
    for (const name of [...this.#waiting]) void this.#refresh(name);
  }
  close(): void {
    this.#closed = true;
    for (const cancel of this.#timers.values()) cancel();
  }
  async #refresh(name: string): Promise<void> {
    const { stats, resolve, logger } = this.#options;
    stats.counter('update_attempt').add(1);
    let delayMs: number;
    try {
      const answer = await resolve(name);
      if (this.#closed) return;
      stats.counter('update_success').add(1);
      if (answer.addresses.length === 0) stats.counter('update_empty').add(1);
      this.#failures.delete(name);
      const before = this.#known.get(name);
      this.#known.set(name, answer.addresses);
      if (before?.join() === answer.addresses.join()) stats.counter('update_no_rebuild').add(1);
      delayMs = this.#nextMs(answer.ttlMs);
    } catch (error) {
      if (this.#closed) return;
      stats.counter('update_failure').add(1);
      logger.debug({ name, error: errorText(error) }, 'DNS resolution failed');
      delayMs = this.#afterFailureMs(name);
    }
    this.#waiting.delete(name);
    this.#announce();
    this.#timers.set(
      name,
      this.#options.clock.setTimeout(() => void this.#refresh(name), delayMs),
    );
  }
  /** Hosts come once every name has been asked for. */
  #announce(): void {
    if (this.#waiting.size === 0 && !this.#closed)
      this.#options.onHosts(this.#options.templates.flatMap((template) => this.#expand(template)));
  }
  #nextMs(ttlMs: number | undefined): number {
    const { respectTtl, refreshMs, jitterMs, random } = this.#options;
    // A time to live of 0 says nothing, and asking on end helps nobody.
    const base = respectTtl && ttlMs !== undefined && ttlMs > 0 ? ttlMs : refreshMs;
    return base + Math.floor(random.next() * jitterMs);
  }
  #afterFailureMs(name: string): number {
    const { failureRefresh, refreshMs, random } = this.#options;
    if (failureRefresh === undefined) return refreshMs;
    const failures = this.#failures.get(name) ?? 0;
    this.#failures.set(name, failures + 1);
    const ceiling = Math.min(failureRefresh.maxMs, failureRefresh.baseMs * 2 ** Math.min(failures, 30));
    return Math.max(1, Math.floor(ceiling * (0.5 + random.next() / 2)));
  }
  #expand(template: HostConfig): HostConfig[] {
    if (template.address.kind === 'pipe') return [template];
    const { address: name, port } = template.address;
    const addresses = this.#known.get(name) ?? [];
    const hostname = template.hostname === '' && isIP(name) === 0 ? name : template.hostname;
    const at = (address: string): HostConfig => ({ ...template, hostname, address: { kind: 'tcp', address, port } });
    const [first, ...others] = addresses;
    if (!this.#options.onlyFirst) return addresses.map(at);
    if (first === undefined) return [];
    // One logical host: further addresses are only where else it may be reached.
    return others.length === 0
      ? [at(first)]
      : [{ ...at(first), otherAddresses: others.map((address) => ({ kind: 'tcp' as const, address, port })) }];
  }
}
