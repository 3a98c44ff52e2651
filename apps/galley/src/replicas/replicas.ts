import { ApiError, contendForLease, isRecord, type KubernetesApi, LEASE_SECONDS, type Lease, leasesPath } from '@xebec/config';
import { type Clock, errorText, type Logger } from '@xebec/core';

/** This Galley among those that run beside it on the same API server. */
export interface Replicas {
  /** Its name: that of its pod. */
  readonly id: string;
  /** This one decides about bundles and writes the history. */
  readonly leads: boolean;
  /** The others know of this one, and wait for it before members of a bundle are stored. While they do not, nothing may be published. */
  readonly known: boolean;
  /** Those that are known to be there, this one left out. Rejects when the API server does not answer. */
  others(): Promise<readonly string[]>;
  /** Told after each change of `leads` or `known`. */
  subscribe(listener: () => void): void;
  start(): void;
  close(): Promise<void>;
}

export interface ReplicasOptions {
  readonly api: KubernetesApi;
  readonly id: string;
  readonly namespace: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const LEADER = 'xebec-galley-leader';
const LABEL = 'xebec.dev/replica-of';
const PERIOD_MS = 2_000;
/** A name that has been silent for so long is of a pod that has gone. */
const FORGOTTEN_MS = 60_000;

/** The only one: there is no API server by which others could be known. */
export const alone: Replicas = {
  id: '',
  leads: true,
  known: true,
  others: async () => [],
  subscribe: () => undefined,
  start: () => undefined,
  close: async () => undefined,
};

/**
 * Each Galley has a Lease by which the others know it (`xebec-galley-NAME`), and one of them has that of the leader. Leases that nobody
 * renews any more are removed by the leader.
 */
export function joinReplicas(options: ReplicasOptions): Replicas {
  const { api, id, namespace, clock, logger } = options;
  const listeners = new Set<() => void>();
  const stop = new AbortController();
  const silent = new Map<string, { readonly renewed: string; readonly since: number }>();
  const leases: Lease[] = [];
  const state = { leads: false, known: false };
  let cancel = (): void => undefined;

  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  /** Reads who is there, and since when each has said nothing. */
  const look = async (): Promise<readonly string[]> => {
    const query = new URLSearchParams({ labelSelector: `${LABEL}=xebec-galley` });
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(PERIOD_MS)]);
    const body = await api.get(`${leasesPath(namespace)}?${query}`, signal).catch((error: unknown) => {
      // Where leases cannot be had, this one acts as if it were alone, and has said so.
      if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return undefined;
      throw error;
    });
    const items = isRecord(body) && Array.isArray(body['items']) ? body['items'].filter(isRecord) : [];
    const now = clock.monotonic();
    const names = new Map(items.map((item) => [holderOf(item), item] as const));
    for (const name of silent.keys()) if (!names.has(name)) silent.delete(name);
    for (const [name, item] of names) {
      const renewed = String(isRecord(item['spec']) ? item['spec']['renewTime'] : '');
      if (silent.get(name)?.renewed !== renewed) silent.set(name, { renewed, since: now });
    }
    return [...names.keys()].filter((name) => name !== '' && name !== id && silentMs(name) < LEASE_SECONDS * 1000);
  };
  const silentMs = (name: string): number => clock.monotonic() - (silent.get(name)?.since ?? clock.monotonic());
  const removeForgotten = async (): Promise<void> => {
    for (const name of [...silent.keys()])
      if (silentMs(name) >= FORGOTTEN_MS) await api.send('DELETE', `${leasesPath(namespace)}/${leaseName(name)}`, undefined, stop.signal);
  };
  /** The leader has to know who is silent before it is asked. */
  const watch = (): void => {
    const looked = state.leads ? look().then(removeForgotten) : Promise.resolve();
    looked
      .catch((error: unknown) => logger.debug({}, `other galleys cannot be read: ${errorText(error)}`))
      .finally(() => {
        if (!stop.signal.aborted) cancel = clock.setTimeout(watch, PERIOD_MS);
      });
  };
  return {
    id,
    get leads() {
      return state.leads;
    },
    get known() {
      return state.known;
    },
    others: look,
    subscribe: (listener) => void listeners.add(listener),
    start: () => {
      const common = { api, namespace, identity: id, clock, logger };
      leases.push(
        contendForLease({
          ...common,
          name: LEADER,
          onClose: 'hand-over',
          onChange: (held) => {
            state.leads = held;
            logger.info(
              { galley: id },
              held ? 'this galley leads: it decides about bundles and writes the history' : 'this galley follows',
            );
            tell();
          },
        }),
        contendForLease({
          ...common,
          name: leaseName(id),
          labels: { [LABEL]: 'xebec-galley' },
          onClose: 'remove',
          onChange: (held) => {
            state.known = held;
            tell();
          },
        }),
      );
      watch();
    },
    close: async () => {
      stop.abort();
      cancel();
      await Promise.all(leases.map((lease) => lease.close()));
    },
  };
}

function leaseName(id: string): string {
  return `xebec-galley-${id}`;
}

function holderOf(lease: Record<string, unknown>): string {
  const spec = isRecord(lease['spec']) ? lease['spec'] : {};
  return String(spec['holderIdentity'] ?? '');
}
