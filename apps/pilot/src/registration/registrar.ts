import { ApiError } from '@xebec/config';
import { type Clock, errorText, type Logger } from '@xebec/core';
import type { MeshProxy } from '@xebec/model';
import type { ConfigObject, WorkloadGroupSpec } from '@xebec/schemas';
import type { Caller } from '../authenticate.ts';
import type { PilotMetrics } from '../metrics.ts';
import type { EntryApi, StoredEntry } from './entry-api.ts';
import { CONNECTED_AT, CONTROLLER, DISCONNECTED_AT, entryFromGroup, entryName, GROUP, HEALTH_CHECKED } from './workload-entry.ts';
import type { WorkloadHealth } from './workload-health.ts';

export interface RegistrarOptions {
  readonly entries: Pick<EntryApi, 'get' | 'create' | 'annotate' | 'setConditions' | 'delete'>;
  readonly groups: (namespace: string, name: string) => ConfigObject<WorkloadGroupSpec> | undefined;
  /** The WorkloadEntries that are known, to find those whose workload never came back. */
  readonly known: () => readonly ConfigObject[];
  /** Name of this pilot among its replicas. */
  readonly instance: string;
  readonly autoRegistration: boolean;
  readonly healthChecks: boolean;
  readonly graceMs: number;
  readonly metrics: PilotMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A workload's hold on its entry, from the stream that announced it. */
export interface Registration {
  readonly namespace: string;
  readonly name: string;
  /** The entry was made for the workload, and goes with it. */
  readonly automatic: boolean;
}

const HEALTHY = 'Healthy';
const MAX_TRIES = 5;
const RETRY_MS = 20;
/** Entries that nobody holds are looked for every so many grace periods. */
const SWEEP_GRACES = 10;

/**
 * Workloads outside the cluster that announce themselves. A node with `AUTO_REGISTER_GROUP` gets a WorkloadEntry made from that
 * group; one with `WORKLOAD_ENTRY` takes hold of the entry that exists. When its last stream ends, the entry is marked, and after
 * a grace period deleted (or, where it was not made here, its health forgotten). The workload's agent tells its health, which
 * becomes the condition `Healthy`.
 */
export class Registrar {
  readonly #options: RegistrarOptions;
  /** Streams of each held entry. */
  readonly #holders = new Map<string, Set<object>>();
  /** Changes to one entry are made one after another. */
  readonly #chains = new Map<string, Promise<void>>();
  readonly #timers = new Set<() => void>();

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }
  /** Looks regularly for entries whose workload never came back, because a pilot ended before the grace period did. */
  start(): void {
    this.#after(this.#options.graceMs * SWEEP_GRACES, () => {
      for (const entry of this.#options.known())
        if (this.#isOver(entry.metadata.annotations)) void this.#cleanUp(entry.metadata.namespace, entry.metadata.name);
      this.start();
    });
  }
  close(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }
  /** A stream has come. Resolves with what it holds, if anything; rejects with one line when it may not. */
  async connect(stream: object, proxy: MeshProxy, caller: Caller | undefined): Promise<Registration | undefined> {
    const { autoRegistration, healthChecks, clock } = this.#options;
    const group = textOf(proxy.metadata['AUTO_REGISTER_GROUP']);
    const existing = textOf(proxy.metadata['WORKLOAD_ENTRY']);
    const automatic = autoRegistration && group !== '';
    if (!automatic && !(healthChecks && existing !== '')) return undefined;
    const registration = { namespace: proxy.namespace, name: automatic ? entryName(group, proxy) : existing, automatic };
    const connectedAt = new Date(clock.now()).toISOString();
    try {
      await this.#inTurn(registration, () => this.#take(registration, group, proxy, caller, connectedAt));
    } catch (error) {
      this.#options.metrics.registrationErrors.inc();
      throw error;
    }
    const holders = this.#holders.get(keyOf(registration)) ?? new Set();
    this.#holders.set(keyOf(registration), holders.add(stream));
    return registration;
  }
  /** A stream has ended. */
  disconnect(stream: object, registration: Registration): void {
    const key = keyOf(registration);
    const holders = this.#holders.get(key);
    holders?.delete(stream);
    if (holders !== undefined && holders.size > 0) return;
    this.#holders.delete(key);
    const { clock, graceMs, logger, metrics } = this.#options;
    const at = new Date(clock.now()).toISOString();
    this.#inTurn(registration, () => this.#release(registration, at)).then(
      () => {
        if (registration.automatic) metrics.registrationEnds.inc();
        this.#after(graceMs, () => void this.#cleanUp(registration.namespace, registration.name));
      },
      (error: unknown) => {
        metrics.registrationErrors.inc();
        logger.warn({ entry: key }, `marking ${key} as disconnected failed: ${errorText(error)}`);
      },
    );
  }
  /** What the workload's agent says of it. */
  report({ namespace, name }: Registration, health: WorkloadHealth): void {
    const { entries, instance, clock, logger } = this.#options;
    if (!this.#options.healthChecks) return;
    const time = new Date(clock.now()).toISOString();
    const change = async () => {
      const stored = await entries.get(namespace, name);
      // The workload may have moved to another pilot meanwhile, which hears of its health now.
      if (stored === undefined || stored.annotations[CONTROLLER] !== instance) return;
      const before = stored.conditions.find(({ type }) => type === HEALTHY);
      const status = health.healthy ? 'True' : 'False';
      const lastTransitionTime = before?.['status'] === status ? before['lastTransitionTime'] : time;
      const condition = {
        type: HEALTHY,
        status,
        lastProbeTime: time,
        lastTransitionTime,
        ...(health.healthy ? {} : { message: health.message }),
      };
      await entries.setConditions(namespace, name, stored.resourceVersion, [
        ...stored.conditions.filter(({ type }) => type !== HEALTHY),
        condition,
      ]);
    };
    this.#inTurn({ namespace, name }, change).catch((error: unknown) =>
      logger.warn({ namespace, name }, `writing the health of ${namespace}/${name} failed: ${errorText(error)}`),
    );
  }

  async #take(
    { namespace, name, automatic }: Registration,
    group: string,
    proxy: MeshProxy,
    caller: Caller | undefined,
    connectedAt: string,
  ): Promise<void> {
    const { entries, groups, instance, metrics, logger } = this.#options;
    const stored = await entries.get(namespace, name);
    if (stored !== undefined) {
      checkIdentity(namespace, name, stored.serviceAccount, caller);
      // A later connection has been noted already: this one was slow.
      if ((stored.annotations[CONNECTED_AT] ?? '') > connectedAt) return;
      if (!automatic && stored.annotations[HEALTH_CHECKED] !== 'true') return;
      await entries.annotate(namespace, name, stored.resourceVersion, {
        [CONTROLLER]: instance,
        [CONNECTED_AT]: connectedAt,
        [DISCONNECTED_AT]: undefined,
      });
      metrics.registrationUpdates.inc();
      return;
    }
    if (!automatic) throw new Error(`WorkloadEntry ${namespace}/${name}, which the node names, does not exist`);
    const source = groups(namespace, group);
    if (source === undefined)
      throw new Error(`auto-registration of ${proxy.id} failed: WorkloadGroup ${namespace}/${group} does not exist`);
    const entry = entryFromGroup(source, proxy);
    checkIdentity(namespace, name, source.spec.template.serviceAccount ?? '', caller);
    const { metadata, ...rest } = entry;
    const own = { ...(metadata as { annotations: Record<string, string> }) };
    const annotations = { ...own.annotations, [CONTROLLER]: instance, [CONNECTED_AT]: connectedAt };
    await entries.create(namespace, { ...rest, metadata: { ...own, annotations } });
    metrics.registrations.inc();
    logger.info({ proxy: proxy.id, entry: `${namespace}/${name}` }, 'registered a workload');
  }
  async #release({ namespace, name }: Registration, at: string): Promise<void> {
    const { entries, instance } = this.#options;
    const stored = await entries.get(namespace, name);
    if (stored === undefined || stored.annotations[CONTROLLER] !== instance || (stored.annotations[CONNECTED_AT] ?? '') > at) return;
    await entries.annotate(namespace, name, stored.resourceVersion, { [CONNECTED_AT]: undefined, [DISCONNECTED_AT]: at });
  }
  async #cleanUp(namespace: string, name: string): Promise<void> {
    const { entries, metrics, logger } = this.#options;
    const change = async () => {
      const stored = await entries.get(namespace, name);
      if (stored === undefined || !this.#isOver(stored.annotations)) return;
      if (stored.annotations[GROUP] !== undefined) {
        await entries.delete(namespace, name, stored.resourceVersion);
        metrics.registrationDeletes.inc();
        logger.info({ entry: `${namespace}/${name}` }, 'removed the entry of a workload that stayed away');
      } else if (stored.conditions.some(({ type }) => type === HEALTHY)) {
        await entries.setConditions(
          namespace,
          name,
          stored.resourceVersion,
          stored.conditions.filter(({ type }) => type !== HEALTHY),
        );
      }
    };
    await this.#inTurn({ namespace, name }, change).catch((error: unknown) => {
      metrics.registrationErrors.inc();
      logger.warn({ entry: `${namespace}/${name}` }, `cleaning up ${namespace}/${name} failed: ${errorText(error)}`);
    });
  }
  /** Whether the workload of an entry has been away for longer than the grace period. */
  #isOver(annotations: StoredEntry['annotations']): boolean {
    if (annotations[CONTROLLER] === undefined || annotations[CONNECTED_AT] !== undefined) return false;
    const since = Date.parse(annotations[DISCONNECTED_AT] ?? '');
    return !Number.isNaN(since) && this.#options.clock.now() - since >= this.#options.graceMs;
  }
  /** Runs a change after those before it; one that lost against another writer is made again from what is there then. */
  #inTurn(of: { readonly namespace: string; readonly name: string }, change: () => Promise<void>): Promise<void> {
    const key = keyOf(of);
    const before = this.#chains.get(key) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(() => this.#retrying(change));
    const tail = mine
      .catch(() => undefined)
      .finally(() => {
        if (this.#chains.get(key) === tail) this.#chains.delete(key);
      });
    this.#chains.set(key, tail);
    return mine;
  }
  async #retrying(change: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await change();
      } catch (error) {
        if (attempt >= MAX_TRIES || !(error instanceof ApiError && error.status === 409)) throw error;
        await new Promise<void>((resolve) => this.#after(RETRY_MS * 2 ** attempt, resolve));
      }
    }
  }
  #after(ms: number, run: () => void): void {
    const cancel = this.#options.clock.setTimeout(() => {
      this.#timers.delete(cancel);
      run();
    }, ms);
    this.#timers.add(cancel);
  }
}

/** A workload may hold an entry of its own namespace and service account only. */
function checkIdentity(namespace: string, name: string, serviceAccount: string, caller: Caller | undefined): void {
  const entry = `WorkloadEntry ${namespace}/${name}`;
  if (caller === undefined) throw new Error(`${entry}: registering needs credentials; connect to the TLS port`);
  if (caller.namespace !== namespace) throw new Error(`${entry}: the credentials are of namespace "${caller.namespace}"`);
  if (serviceAccount !== '' && serviceAccount !== caller.serviceAccount)
    throw new Error(`${entry} is for service account "${serviceAccount}", but the credentials are of "${caller.serviceAccount}"`);
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
