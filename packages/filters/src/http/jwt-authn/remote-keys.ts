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
}

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

  constructor(options: RemoteKeysOptions, context: FilterContext, counters: { succeeded: Counter; failed: Counter }) {
    this.#options = options;
    this.#context = context;
    this.#succeeded = counters.succeeded;
    this.#failed = counters.failed;
  }
  current(): KeySet | undefined {
    return this.#context.clock.monotonic() < this.#expiresAt ? this.#keys : undefined;
  }
  fetch(done: (keys: KeySet | string) => void): void {
    this.#waiting.push(done);
    if (this.#waiting.length > 1) return;
    const { cluster, url, timeoutMs, cacheMs } = this.#options;
    const head = {
      method: 'GET',
      path: `${url.pathname}${url.search}`,
      authority: url.host,
      scheme: url.protocol.slice(0, -1),
      headers: [],
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
      .then(finish)
      .catch((error: unknown) => this.#context.logger.error({ error: errorText(error) }, 'handling fetched keys failed'));
  }
  #failure(error: string): string {
    this.#failed.add(1);
    this.#context.logger.warn({ error, url: this.#options.url.href }, 'fetching a key set failed');
    return 'Jwks remote fetch is failed';
  }
}
