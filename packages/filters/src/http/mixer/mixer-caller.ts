import { errorText } from '@xebec/core';
import type { FilterContext } from '../../http-filter.ts';
import { type CallFailure, callFailure } from './call-failure.ts';
import type { ClientStats } from './client-stats.ts';
import type { GlobalWords } from './word-dictionary.ts';

const CHECK = '/istio.mixer.v1.Mixer/Check';

export interface CallerOptions {
  readonly cluster: string;
  readonly timeoutMs: number;
  /** Further tries. */
  readonly maxRetry: number;
  readonly baseRetryWaitMs: number;
  readonly maxRetryWaitMs: number;
}

/** While Mixer does not answer in time, one call in this time finds out whether it does again, milliseconds. */
const probeIntervalMs = 200;
/** Calls under way at one time; each holds a request. */
const maxInFlight = 1024;

/**
 * Calls Check, with retries. Remembers that Mixer has let time pass without an answer: then nobody waits until it answers again, and
 * only probes are sent.
 */
export class MixerCaller {
  readonly #options: CallerOptions;
  readonly #context: FilterContext;
  readonly #stats: ClientStats;
  readonly #words: GlobalWords;
  #inFlight = 0;
  #lastAnswerMs = Number.NEGATIVE_INFINITY;
  #silent = false;
  /** Whether the log says that Mixer cannot be asked. */
  #away = false;
  #nextProbeMs = 0;

  constructor(options: CallerOptions, context: FilterContext, stats: ClientStats, words: GlobalWords) {
    this.#options = options;
    this.#context = context;
    this.#stats = stats;
    this.#words = words;
  }
  /** `ask`: a call may be sent and waited for. `probe`: one may be sent, but not waited for. `skip`: neither. */
  get mode(): 'ask' | 'probe' | 'skip' {
    if (!this.#silent) return this.#inFlight < maxInFlight ? 'ask' : 'skip';
    const now = this.#context.clock.monotonic();
    if (now < this.#nextProbeMs) return 'skip';
    this.#nextProbeMs = now + probeIntervalMs;
    return 'probe';
  }
  /**
   * Sends what `encode` makes and gives its answer to `read`, which throws when that is none; then one of `done` and `failed` is called.
   * All tries are the same bytes, with the same deduplication id, so that quota is taken once.
   */
  call<T>(encode: () => Uint8Array, read: (answer: Uint8Array) => T, done: (result: T) => void, failed: () => void): void {
    this.#inFlight++;
    this.#try(encode, encode(), 0, read, (result) => {
      this.#inFlight--;
      if (result === undefined) failed();
      else done(result.value);
    });
  }

  #try<T>(
    encode: () => Uint8Array,
    bytes: Uint8Array,
    attempt: number,
    read: (answer: Uint8Array) => T,
    end: (result: { readonly value: T } | undefined) => void,
  ): void {
    const { clock, upstream, logger } = this.#context;
    const { cluster, timeoutMs } = this.#options;
    const startedMs = clock.monotonic();
    const wordCount = this.#words.count;
    this.#stats.total_remote_calls.add(1);
    const succeeded = (value: T): void => {
      this.#stats.total_remote_call_successes.add(1);
      this.#lastAnswerMs = clock.monotonic();
      this.#silent = false;
      if (this.#away) logger.info({ cluster }, 'Mixer answers again');
      this.#away = false;
      end({ value });
    };
    const failed = (error: unknown): void => {
      const failure = callFailure(error);
      this.#count(failure);
      logger.debug({ error: errorText(error), attempt }, 'Mixer did not answer a check');
      if (failure === 'timeout') {
        if (this.#lastAnswerMs < startedMs && !this.#silent) {
          this.#silent = true;
          this.#nextProbeMs = clock.monotonic() + probeIntervalMs;
          logger.warn({ cluster, timeoutMs }, 'Mixer does not answer in time: until it does, the fail policy decides at once');
        }
      } else this.#silent = false;
      if (failure !== 'timeout' && failure !== 'words' && !this.#away) {
        this.#away = true;
        logger.warn(
          { cluster, error: errorText(error) },
          'Mixer cannot be asked: until it can, the fail policy decides for each call that is not cached',
        );
      }
      if (failure === 'words' && this.#words.shrink(wordCount)) {
        this.#try(encode, encode(), attempt, read, end);
        return;
      }
      if (attempt >= this.#options.maxRetry || this.#silent) {
        end(undefined);
        return;
      }
      this.#stats.total_remote_call_retries.add(1);
      clock.setTimeout(() => this.#try(encode, bytes, attempt + 1, read, end), this.#retryWait(attempt));
    };
    upstream
      .grpcUnary(cluster, CHECK, bytes, timeoutMs)
      .then((answer) => {
        let value: T;
        try {
          value = read(answer);
        } catch (error) {
          failed(error);
          return;
        }
        succeeded(value);
      }, failed)
      .catch((error: unknown) => logger.error({ error: errorText(error) }, 'handling an answer of Mixer failed'));
  }
  /** Between the base wait and twice as much for each try before, at random so that proxies do not come back in step. */
  #retryWait(attempt: number): number {
    const { baseRetryWaitMs, maxRetryWaitMs } = this.#options;
    const longest = Math.min(maxRetryWaitMs, baseRetryWaitMs * 2 ** attempt);
    return Math.min(longest, baseRetryWaitMs) + this.#context.random.next() * Math.max(0, longest - baseRetryWaitMs);
  }
  #count(failure: CallFailure): void {
    const { total_remote_call_timeouts, total_remote_call_send_errors, total_remote_call_other_errors } = this.#stats;
    if (failure === 'timeout') total_remote_call_timeouts.add(1);
    else if (failure === 'not sent') total_remote_call_send_errors.add(1);
    else total_remote_call_other_errors.add(1);
  }
}
