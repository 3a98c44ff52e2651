import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { isRecord } from './decode.ts';
import { ApiError, type KubernetesApi } from './kubernetes-api.ts';

/** Hears what one resource path holds: first everything, then each change. After a gap in the history everything again. */
export interface ReflectorHandler {
  onList(items: readonly Record<string, unknown>[]): void;
  onEvent(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Record<string, unknown>): void;
}

export interface ReflectorOptions {
  readonly api: KubernetesApi;
  /** `/apis/networking.istio.io/v1/virtualservices`. */
  readonly path: string;
  readonly fieldSelector?: string;
  /** A list that is forbidden counts as empty, until it no longer is. */
  readonly optional?: boolean;
  readonly handler: ReflectorHandler;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Kubernetes ends watches now and then; asking for it spares both sides dead connections. */
const WATCH_SECONDS = 300;
/** Short, for a server that restarts is back within seconds, and one watcher asks little. */
const RETRY = { baseMs: 50, maxMs: 1_000 };

/**
 * List and watch of one resource path. It resumes with the last resourceVersion, lists again after 410 Gone, and when the
 * server is away tries again with back-off, for ever. What it has told its handler stays true until it tells otherwise.
 */
export function startReflector(options: ReflectorOptions): { close(): Promise<void> } {
  const { api, path, handler, clock, logger } = options;
  const stop = new AbortController();
  const backoff = new Backoff(RETRY, options.random);
  let resourceVersion: string | undefined;
  let failing = false;
  let listed = false;

  const list = async (): Promise<void> => {
    const body = await api.get(withQuery(path, { fieldSelector: options.fieldSelector }), stop.signal);
    const { items, metadata } = isRecord(body) ? body : {};
    handler.onList(Array.isArray(items) ? items.filter(isRecord) : []);
    listed = true;
    resourceVersion = versionOf(metadata);
  };
  const watch = async (): Promise<void> => {
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(WATCH_SECONDS),
      resourceVersion,
      fieldSelector: options.fieldSelector,
    };
    for await (const event of api.watch(withQuery(path, query), stop.signal)) {
      const { type, object } = isRecord(event) ? event : {};
      if (!isRecord(object)) continue;
      backoff.reset();
      recovered();
      if (type === 'ERROR') {
        const code = object['code'];
        throw new ApiError(typeof code === 'number' ? code : 500, String(object['message'] ?? 'watch failed'));
      }
      if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') handler.onEvent(type, object);
      resourceVersion = versionOf(object['metadata']) ?? resourceVersion;
    }
  };
  const recovered = (): void => {
    if (failing) logger.info({ path }, `watching ${path} again`);
    failing = false;
  };
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      try {
        if (resourceVersion === undefined) {
          await list();
          recovered();
        }
        await watch();
        backoff.reset();
      } catch (error) {
        if (stop.signal.aborted) return;
        const gone = error instanceof ApiError && (error.status === 410 || error.status === 404);
        if (gone) resourceVersion = undefined;
        // A kind whose CRD is not there yet holds nothing. One that was there and is not now belongs to a server that is still
        // starting: what is known stays true.
        if (error instanceof ApiError && error.status === 404) {
          if (!listed) handler.onList([]);
        } else if (error instanceof ApiError && error.status === 403 && options.optional === true && !listed) {
          handler.onList([]);
          if (!failing) logger.warn({ path }, `${path} is not read: ${errorText(error)}`);
          failing = true;
        } else if (!gone && !failing) {
          failing = true;
          logger.warn({ path }, `watching ${path} failed, trying again: ${errorText(error)}`);
        }
      }
      await pause(backoff.nextMs());
    }
  };
  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (stop.signal.aborted) return resolve();
      const cancel = clock.setTimeout(done, ms);
      function done(): void {
        stop.signal.removeEventListener('abort', done);
        cancel();
        resolve();
      }
      stop.signal.addEventListener('abort', done);
    });

  const running = run();
  return {
    close: async () => {
      stop.abort();
      await running;
    },
  };
}

function versionOf(metadata: unknown): string | undefined {
  const version = isRecord(metadata) ? metadata['resourceVersion'] : undefined;
  return typeof version === 'string' && version !== '' ? version : undefined;
}

function withQuery(path: string, query: Readonly<Record<string, string | undefined>>): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`;
}
