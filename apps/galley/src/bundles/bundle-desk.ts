import { ApiError, isRecord, type KubernetesApi, type ObjectKey, startReflector } from '@xebec/config';
import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { BUNDLE_PATH, type Bundle, type BundlePhase, HISTORY_GROUP, HISTORY_VERSION, readBundle } from '@xebec/history';

export interface BundleDeskOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface BundleListener {
  onBundle(bundle: Bundle): void;
  onBundleGone(id: string): void;
  /** All bundles there were at the start have been told. */
  onListed(): void;
}

/** What Galley says of a bundle in its status. */
export interface BundleReport {
  /** Only the Galley that leads says what becomes of a bundle. */
  readonly phase?: BundlePhase;
  readonly message?: string;
  /** Members that are not stored as the bundle says: `VirtualService shop/reviews`. */
  readonly waitingFor?: readonly string[];
  /** Galleys that hold the members back, each of which says so itself. */
  readonly holders?: Readonly<Record<string, true>>;
  /** Number of the version that it became. */
  readonly version?: number;
}

/** Finished bundles are kept for the writer to read how they ended; the versions they became stay longer. */
const FINISHED_KEPT = 20;
const RETRY = { baseMs: 50, maxMs: 2_000 };
/** More names do not help anybody. */
const MAX_WAITING_NAMED = 20;

/** Reads ConfigBundles from an API server, and writes into their status how far they are. */
export function openBundleDesk(options: BundleDeskOptions, listener: BundleListener) {
  const { api, clock, random, logger } = options;
  const stop = new AbortController();
  const finished = new Map<string, number>();
  const reports = new Map<string, BundleReport>();
  let known = new Set<string>();
  let listed = false;
  let writing: Promise<void> | undefined;

  const take = (raw: Record<string, unknown>): string | undefined => {
    const bundle = readBundle(raw);
    if (!bundle.ok) {
      logger.warn({}, `a ConfigBundle is ignored: ${bundle.error}`);
      return undefined;
    }
    const { id, phase, createdAt } = bundle.value;
    if (phase === 'Complete' || phase === 'Abandoned') finished.set(id, createdAt);
    listener.onBundle(bundle.value);
    return id;
  };
  const forget = (id: string): void => {
    finished.delete(id);
    reports.delete(id);
    listener.onBundleGone(id);
  };
  const reflector = startReflector({
    api,
    path: BUNDLE_PATH,
    optional: true,
    clock,
    random,
    logger,
    handler: {
      onList: (items) => {
        const now = new Set(items.flatMap((item) => take(item) ?? []));
        for (const id of known) if (!now.has(id)) forget(id);
        known = now;
        if (!listed) listener.onListed();
        listed = true;
      },
      onEvent: (type, raw) => {
        const metadata = isRecord(raw['metadata']) ? raw['metadata'] : {};
        const name = String(metadata['name'] ?? '');
        if (type === 'DELETED') {
          known.delete(name);
          forget(name);
        } else if (take(raw) !== undefined) known.add(name);
      },
    },
  });

  /** Writes what is to be reported, one after the other, for ever until it is written or the bundle is gone. */
  const write = async (): Promise<void> => {
    const backoff = new Backoff(RETRY, random);
    for (;;) {
      const [next] = reports;
      if (next === undefined || stop.signal.aborted) return;
      const [id, report] = next;
      const { waitingFor } = report;
      const status = { ...report, ...(waitingFor === undefined ? {} : { waitingFor: waitingFor.slice(0, MAX_WAITING_NAMED) }) };
      try {
        await api.send('PATCH', `${BUNDLE_PATH}/${encodeURIComponent(id)}/status`, { status }, stop.signal, 'application/merge-patch+json');
        if (reports.get(id) === report) reports.delete(id);
        if (report.phase === 'Stalled') await announce(id, report);
        backoff.reset();
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof ApiError && (error.status === 404 || error.status === 403)) {
          if (error.status === 403) logger.warn({ bundle: id }, `the status of a bundle cannot be written: ${errorText(error)}`);
          reports.delete(id);
          continue;
        }
        await new Promise<void>((resolve) => void clock.setTimeout(resolve, backoff.nextMs()));
      }
    }
  };
  const pump = (): void => {
    writing ??= write().finally(() => {
      writing = undefined;
      if (reports.size > 0 && !stop.signal.aborted) pump();
    });
  };
  const announce = async (id: string, { message = '' }: BundleReport): Promise<void> => {
    const time = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { generateName: `${id}.`, namespace: 'default' },
      involvedObject: { apiVersion: `${HISTORY_GROUP}/${HISTORY_VERSION}`, kind: 'ConfigBundle', name: id },
      type: 'Warning',
      reason: 'BundleStalled',
      message,
      source: { component: 'xebec-galley' },
      firstTimestamp: time,
      lastTimestamp: time,
      count: 1,
    };
    await api.send('POST', '/api/v1/namespaces/default/events', event, stop.signal).catch((error: unknown) => {
      logger.warn({ bundle: id }, `the event of a stalled bundle cannot be written: ${errorText(error)}`);
    });
  };
  const collect = (): void => {
    const old = [...finished].sort(([, a], [, b]) => b - a).slice(FINISHED_KEPT);
    for (const [id] of old) {
      finished.delete(id);
      api.send('DELETE', `${BUNDLE_PATH}/${encodeURIComponent(id)}`, undefined, stop.signal).catch((error: unknown) => {
        if (!stop.signal.aborted) logger.warn({ bundle: id }, `a finished bundle cannot be removed: ${errorText(error)}`);
      });
    }
  };
  return {
    get listed(): boolean {
      return listed;
    },
    /** Writes this into the status of a bundle; what was not written yet of an earlier report stays unless this says otherwise. */
    report(id: string, report: BundleReport): void {
      reports.set(id, { ...reports.get(id), ...report });
      pump();
    },
    /** Tells the listener of every bundle there is at this moment. */
    listAgain: async (): Promise<void> => {
      const body = await api.get(BUNDLE_PATH, stop.signal).catch((error: unknown) => {
        // The kind is not known, or may not be read: the reflector has said so.
        if (error instanceof ApiError && (error.status === 403 || error.status === 404)) return undefined;
        throw error;
      });
      if (isRecord(body) && Array.isArray(body['items'])) for (const item of body['items']) if (isRecord(item)) take(item);
    },
    /** Removes finished bundles beyond those that are kept: a task of the Galley that leads. */
    collect,
    close: async () => {
      stop.abort();
      await reflector.close();
      await writing;
    },
  };
}

export type BundleDesk = ReturnType<typeof openBundleDesk>;

/** `networking.istio.io/VirtualService/shop/reviews` as users say it. */
export function keyText(key: ObjectKey): string {
  const [, kind = '', namespace = '', ...name] = key.split('/');
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name.join('/')}`;
}
