import { errorText } from '@xebec/core';
import type { Counter } from '@xebec/telemetry';
import type { FilterContext } from '../../http-filter.ts';
import { type KeySet, parseKeySet } from './key-set.ts';
import type { KeySource } from './provider.ts';

export interface RemoteKeysOptions {
  readonly cluster: string;
  /** Absolute http or https address of the key set. */
  readonly url: URL;
  readonly timeoutMs: number;
  readonly cacheMs: number;
  /** Tries after a failed one, and the time before the first of them, which doubles up to its limit. */
  readonly retries: { readonly count: number; readonly baseMs: number; readonly maxMs: number };
  /** Fetches before a token needs the keys, and again before they grow old; after a failure in so many milliseconds. */
  readonly ahead: { readonly afterFailureMs: number } | undefined;
}

/** Keys that are fetched ahead are renewed so long before they grow old. */
const EARLY_MS = 5_000;

/**
 * Keys of a server, fetched when a token first needs them and kept for a while. Requests that come during a fetch wait for
 * the same one. A failed fetch is not kept: the next token tries again.
 */
export class RemoteKeys implements KeySource {
  readonly #options: RemoteKeysOptions;
  readonly #context: FilterContext;
  readonly #succeeded: Counter;
  readonly #failed: Counter;
  #keys: KeySet | undefined;
  #expiresAt = 0;
  #waiting: ((keys: KeySet | string) => void)[] = [];
  #cancelTimer: (() => void) | undefined;
  #closed = false;

  constructor(options: RemoteKeysOptions, context: FilterContext, counters: { succeeded: Counter; failed: Counter }) {
    this.#options = options;
    this.#context = context;
    this.#succeeded = counters.succeeded;
    this.#failed = counters.failed;
    // Later, because clusters may come after the filters that call them.
    if (options.ahead !== undefined) this.#fetchAhead(0);
  }
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
  }
  #fetchAhead(delayMs: number): void {
    const { ahead, cacheMs } = this.#options;
    if (ahead === undefined || this.#closed) return;
    this.#cancelTimer = this.#context.clock.setTimeout(() => {
      this.fetch((keys) => this.#fetchAhead(typeof keys === 'string' ? ahead.afterFailureMs : Math.max(EARLY_MS, cacheMs - EARLY_MS)));
    }, delayMs);
  }
  current(): KeySet | undefined {
    return this.#context.clock.monotonic() < this.#expiresAt ? this.#keys : undefined;
  }
  fetch(done: (keys: KeySet | string) => void): void {
    this.#waiting.push(done);
    if (this.#waiting.length > 1) return;
    this.#try(0);
  }
  #try(failures: number): void {
    const { cluster, url, timeoutMs, cacheMs, retries } = this.#options;
    const head = {
      method: 'GET',
      path: `${url.pathname}${url.search}`,
      authority: url.host,
      scheme: url.protocol.slice(0, -1),
      // What Envoy's own fetches are called, for servers that tell clients apart.
      headers: ['user-agent', 'Go-browser'],
      version: 'HTTP/1.1' as const,
    };
    const finish = (keys: KeySet | string): void => {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const tell of waiting) tell(keys);
    };
    this.#context.upstream
      .http(cluster, head, Buffer.alloc(0), timeoutMs)
      .then(
        (answer): KeySet | string => {
          const keys = answer.head.status === 200 ? parseKeySet(answer.body.toString()) : `status ${answer.head.status}`;
          if (typeof keys !== 'string') {
            this.#succeeded.add(1);
            this.#keys = keys;
            this.#expiresAt = this.#context.clock.monotonic() + cacheMs;
            return keys;
          }
          return this.#failure(keys);
        },
        (error: unknown) => this.#failure(errorText(error)),
      )
      .then((keys) => {
        if (typeof keys !== 'string' || failures >= retries.count || this.#closed) {
          finish(keys);
          return;
        }
        const waitMs = Math.min(retries.maxMs, retries.baseMs * 2 ** failures) * this.#context.random.next();
        this.#cancelTimer = this.#context.clock.setTimeout(() => this.#try(failures + 1), waitMs);
      })
      .catch((error: unknown) => this.#context.logger.error({ error: errorText(error) }, 'handling fetched keys failed'));
  }
  #failure(error: string): string {
    this.#failed.add(1);
    this.#context.logger.warn({ error, url: this.#options.url.href }, 'fetching a key set failed');
    return 'Jwks remote fetch is failed';
  }
}
