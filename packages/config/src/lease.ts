import { type Clock, errorText, type Logger } from '@xebec/core';
import { isRecord } from './decode.ts';
import { ApiError, type KubernetesApi } from './kubernetes-api.ts';

export interface LeaseOptions {
  readonly api: KubernetesApi;
  readonly namespace: string;
  readonly name: string;
  /** Who contends: different for each that does, the same after a restart. */
  readonly identity: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** On close: let the next one have it at once, or remove the object with its holder. */
  readonly onClose: 'hand-over' | 'remove';
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told when the lease is won or lost. */
  readonly onChange: (held: boolean) => void;
}

export interface Lease {
  readonly held: boolean;
  close(): Promise<void>;
}

/** How long a lease holds without a word of its holder: the longest time until another has it. */
export const LEASE_SECONDS = 10;
const PERIOD_MS = 2_000;
/** The holder counts it as lost long before others may take it: clocks drift and processes pause. */
const GIVE_UP_MS = 6_000;

export function leasesPath(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
}

/**
 * Contends for a Lease (coordination.k8s.io/v1) and keeps it, until it is closed. Expiry is judged by how long a lease stood still as
 * seen from here, so clocks need not agree. Where leases are forbidden or unknown there is nobody to agree with: it counts as held.
 */
export function contendForLease(options: LeaseOptions): Lease {
  const { api, namespace, name, identity, clock, logger } = options;
  const path = leasesPath(namespace);
  const stop = new AbortController();
  let held = false;
  let ungoverned = false;
  let observed = { text: '', at: 0 };
  let cancelGiveUp = (): void => undefined;
  let cancelWait = (): void => undefined;

  const set = (now: boolean): void => {
    if (held === now) return;
    held = now;
    options.onChange(now);
  };
  const renewed = (askedAt: number): void => {
    cancelGiveUp();
    if (ungoverned) logger.info({ lease: name }, `lease ${namespace}/${name} can be written again`);
    ungoverned = false;
    cancelGiveUp = clock.setTimeout(
      () => {
        logger.warn({ lease: name }, `lease ${namespace}/${name} could not be renewed for ${GIVE_UP_MS / 1000} s: it counts as lost`);
        set(false);
      },
      GIVE_UP_MS - (clock.monotonic() - askedAt),
    );
    set(true);
  };
  const spec = (before: Record<string, unknown>): Record<string, unknown> => {
    const now = new Date(clock.now()).toISOString().replace('Z', '000Z');
    const mine = before['holderIdentity'] === identity;
    const transitions = typeof before['leaseTransitions'] === 'number' ? before['leaseTransitions'] : 0;
    return {
      ...before,
      holderIdentity: identity,
      leaseDurationSeconds: LEASE_SECONDS,
      acquireTime: mine ? before['acquireTime'] : now,
      renewTime: now,
      leaseTransitions: mine ? transitions : transitions + 1,
    };
  };
  /** Undefined: there is none. */
  const read = async (signal: AbortSignal): Promise<Record<string, unknown> | undefined> => {
    try {
      const lease = await api.get(`${path}/${name}`, signal);
      return isRecord(lease) ? lease : {};
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  };
  const isFree = (before: Record<string, unknown>): boolean => {
    const holder = before['holderIdentity'];
    if (holder === identity || holder === '' || holder === undefined) return true;
    const text = JSON.stringify(before);
    if (text !== observed.text) observed = { text, at: clock.monotonic() };
    const seconds = typeof before['leaseDurationSeconds'] === 'number' ? before['leaseDurationSeconds'] : LEASE_SECONDS;
    return clock.monotonic() - observed.at >= seconds * 1000;
  };
  /** Whether the lease is ours now. */
  const take = async (signal: AbortSignal): Promise<boolean> => {
    const lease = await read(signal);
    const before = isRecord(lease?.['spec']) ? lease['spec'] : {};
    if (lease !== undefined && !isFree(before)) return false;
    try {
      if (lease === undefined) {
        const metadata = { name, namespace, labels: options.labels ?? {} };
        await api.send('POST', path, { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: spec({}) }, signal);
      } else await api.send('PUT', `${path}/${name}`, { ...lease, spec: spec(before) }, signal);
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return false;
      throw error;
    }
  };
  const attempt = async (): Promise<void> => {
    const askedAt = clock.monotonic();
    const limit = new AbortController();
    const cancelLimit = clock.setTimeout(() => limit.abort(), GIVE_UP_MS);
    try {
      const won = await take(AbortSignal.any([stop.signal, limit.signal]));
      if (stop.signal.aborted) return;
      if (won) renewed(askedAt);
      else {
        cancelGiveUp();
        set(false);
      }
    } catch (error) {
      if (stop.signal.aborted) return;
      const refused = error instanceof ApiError && (error.status === 403 || error.status === 404);
      if (!refused) logger.debug({ lease: name }, `lease ${namespace}/${name}: ${errorText(error)}`);
      else if (!held) {
        logger.warn(
          { lease: name },
          `lease ${namespace}/${name} cannot be written, so this process acts as if there were no other: ${errorText(error)}`,
        );
        ungoverned = true;
        set(true);
      }
    } finally {
      cancelLimit();
    }
  };
  const running = (async () => {
    while (!stop.signal.aborted) {
      await attempt();
      if (stop.signal.aborted) return;
      await new Promise<void>((resolve) => {
        const cancel = clock.setTimeout(resolve, PERIOD_MS);
        cancelWait = () => {
          cancel();
          resolve();
        };
      });
    }
  })();
  const leave = async (): Promise<void> => {
    const signal = AbortSignal.timeout(PERIOD_MS);
    if (options.onClose === 'remove') return void (await api.send('DELETE', `${path}/${name}`, undefined, signal));
    const lease = await read(signal);
    const before = isRecord(lease?.['spec']) ? lease['spec'] : {};
    if (before['holderIdentity'] === identity)
      await api.send('PUT', `${path}/${name}`, { ...lease, spec: { ...before, holderIdentity: '' } }, signal);
  };
  return {
    get held() {
      return held;
    },
    close: async () => {
      stop.abort();
      cancelGiveUp();
      cancelWait();
      await running;
      if (held && !ungoverned)
        await leave().catch((error: unknown) =>
          logger.debug({ lease: name }, `lease ${namespace}/${name} is not given back: ${errorText(error)}`),
        );
      held = false;
    },
  };
}
