import { ApiError, isRecord, type KubernetesApi } from '@xebec/config';
import { type Clock, errorText, type Logger } from '@xebec/core';
import type { ConfigObject, ServiceEntrySpec } from '@xebec/schemas';
import { Rounds } from '../status/rounds.ts';
import { AddressPool } from './address-pool.ts';
import { type Reallocation, reallocate } from './allocation.ts';

export interface AddressAllocatorOptions {
  readonly api: KubernetesApi;
  /** The ServiceEntries of the mesh; undefined until they are known. */
  readonly entries: () => readonly ConfigObject<ServiceEntrySpec>[] | undefined;
  /** CIDR blocks, one a family. */
  readonly prefixes: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Writes in one round; the rest waits for the next. */
const MAX_WRITES = 50;
const TIMEOUT_MS = 5_000;
/** Until then what was written is expected back. */
const PATIENCE_MS = 10_000;

/**
 * Gives the hosts of ServiceEntries virtual addresses and writes them into `status.addresses`, as Istio's controller does, so that
 * everybody who reads the object tells the same. Several writers do no harm: a write holds for the version that was read.
 */
export class AddressAllocator {
  readonly #options: AddressAllocatorOptions;
  readonly #pools: readonly AddressPool[];
  readonly #rounds: Rounds;
  /** Versions that were written about, and when: the answer comes back by the watch. */
  readonly #written = new Map<string, { readonly version: string; readonly at: number }>();
  #forbidden = false;

  constructor(options: AddressAllocatorOptions) {
    this.#options = options;
    this.#pools = options.prefixes.map((prefix) => new AddressPool(prefix));
    this.#rounds = new Rounds(options.clock, (closed) => this.#round(closed));
  }
  start(): void {
    this.#rounds.start();
  }
  close(): void {
    this.#rounds.close();
  }

  async #round(closed: () => boolean): Promise<void> {
    const entries = this.#options.entries();
    if (entries === undefined || this.#forbidden) return;
    // What was written and has not come back yet is not known here, and must not be given away twice.
    if (entries.some((entry) => this.#isUnderWay(entry))) return;
    this.#written.clear();
    for (const due of reallocate(entries, this.#pools).slice(0, MAX_WRITES)) {
      if (closed()) return;
      await this.#write(due);
    }
  }
  #isUnderWay(entry: ConfigObject<ServiceEntrySpec>): boolean {
    const written = this.#written.get(pathOf(entry));
    if (written === undefined || written.version !== entry.metadata.resourceVersion) return false;
    return this.#options.clock.monotonic() - written.at < PATIENCE_MS;
  }
  async #write({ entry, addresses }: Reallocation): Promise<void> {
    const { api, logger } = this.#options;
    const path = pathOf(entry);
    try {
      const object = await api.get(path, AbortSignal.timeout(TIMEOUT_MS));
      const metadata = isRecord(object) && isRecord(object['metadata']) ? object['metadata'] : {};
      // Somebody was faster, or the object is another by now: the next round knows.
      if (metadata['generation'] !== entry.metadata.generation && entry.metadata.generation > 0) return;
      const { resourceVersion } = metadata;
      const body = { metadata: { resourceVersion }, status: { addresses } };
      await api.send('PATCH', `${path}/status`, body, AbortSignal.timeout(TIMEOUT_MS), 'application/merge-patch+json');
      this.#written.set(path, { version: entry.metadata.resourceVersion, at: this.#options.clock.monotonic() });
    } catch (error) {
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) return;
      if (error instanceof ApiError && error.status === 403) this.#forbidden = true;
      logger.warn({ path }, `giving the hosts of ${path} addresses failed: ${errorText(error)}`);
    }
  }
}

function pathOf({ metadata }: ConfigObject<ServiceEntrySpec>): string {
  return `/apis/networking.istio.io/v1/namespaces/${metadata.namespace}/serviceentries/${metadata.name}`;
}
