import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock, Logger } from '@xebec/core';
import { errorText } from '@xebec/core';
import type { HostConfig } from './host.ts';

export type ResolveName = (name: string, family: 0 | 4 | 6) => Promise<readonly string[]>;

/** Asks the system's resolver, so that /etc/hosts and search domains count. */
export const systemResolve: ResolveName = async (name, family) => (await lookup(name, { family, all: true })).map((entry) => entry.address);

export interface DnsHostsOptions {
  readonly templates: readonly HostConfig[];
  /** Only the first address counts (LOGICAL_DNS). */
  readonly onlyFirst: boolean;
  readonly family: 0 | 4 | 6;
  readonly refreshMs: number;
  readonly resolve: ResolveName;
  readonly clock: Clock;
  readonly logger: Logger;
  onHosts(hosts: readonly HostConfig[]): void;
}

/** Keeps the addresses of named endpoints up to date. What cannot be resolved keeps its last addresses. */
export class DnsHosts {
  readonly #options: DnsHostsOptions;
  readonly #known = new Map<string, readonly string[]>();
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(options: DnsHostsOptions) {
    this.#options = options;
    void this.#refresh();
  }
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }
  async #refresh(): Promise<void> {
    const { templates, family, resolve, logger } = this.#options;
    const names = new Set(templates.map((template) => (template.address.kind === 'tcp' ? template.address.address : '')));
    await Promise.all(
      [...names].map(async (name) => {
        if (name === '' || isIP(name) !== 0) {
          this.#known.set(name, [name]);
          return;
        }
        try {
          this.#known.set(name, await resolve(name, family));
        } catch (error) {
          logger.debug({ name, error: errorText(error) }, 'DNS resolution failed');
        }
      }),
    );
    if (this.#closed) return;
    this.#options.onHosts(templates.flatMap((template) => this.#expand(template)));
    this.#cancel = this.#options.clock.setTimeout(() => void this.#refresh(), this.#options.refreshMs);
  }
  #expand(template: HostConfig): HostConfig[] {
    if (template.address.kind === 'pipe') return [template];
    const { address: name, port } = template.address;
    const addresses = this.#known.get(name) ?? [];
    const hostname = template.hostname === '' && isIP(name) === 0 ? name : template.hostname;
    return (this.#options.onlyFirst ? addresses.slice(0, 1) : addresses).map((address) => ({
      ...template,
      hostname,
      address: { kind: 'tcp', address, port },
    }));
  }
}
