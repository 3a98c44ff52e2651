import { Worker } from 'node:worker_threads';
import { type Clock, errorText } from '@xebec/core';
import type { FilterUpstream } from '../../http-filter.ts';
import type { Call, Done, Failure, FromHost, Hooks, HostStart, Phase, ToHost } from './protocol.ts';

/** How long a thread may keep silent when asked whether it is there, milliseconds: longer is an endless loop. */
const PING_MS = 500;
const MAX_HEAP_MB = 256;
/** Streams that may be in one version of a file at once; more fail as if the file had. */
const MAX_STREAMS = 100_000;

export interface HostThreadEvents {
  onReady(hooks: Hooks): void;
  /** The file cannot be used: it does not compile, throws when loaded, or refuses its configuration. */
  onLoadFailed(failure: Failure): void;
  /** The thread is gone without having been asked to: `stuck` when the watchdog ended it. */
  onDied(reason: string, stuck: boolean): void;
  /** An error outside of any call. */
  onStray(failure: Failure): void;
  onLog(message: string, fields: object): void;
}

export type CallResult =
  | { readonly ok: true; readonly done: Done }
  | { readonly ok: false; readonly kind: 'error' | 'timeout' | 'died'; readonly failure: Failure };

interface Pending {
  readonly phase: Phase;
  readonly finish: (result: CallResult) => void;
  readonly cancelTimeout: () => void;
}

/** One version of a user's file in its thread. Streams that began on it end on it; then it is closed. */
export class HostThread {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #events: HostThreadEvents;
  readonly #upstream: FilterUpstream;
  readonly #clock: Clock;
  readonly #pending = new Map<number, Pending>();
  #streams = 0;
  #nextStream = 0;
  #retired = false;
  #ended = false;
  #cancelPing: (() => void) | undefined;
  hooks: Hooks | undefined;

  constructor(path: string, configs: readonly unknown[], upstream: FilterUpstream, clock: Clock, events: HostThreadEvents) {
    this.#path = path;
    this.#upstream = upstream;
    this.#clock = clock;
    this.#events = events;
    const start: HostStart = { path, filterModule: import.meta.resolve('@xebec/filter') };
    this.#worker = new Worker(new URL('./host/host.ts', import.meta.url), {
      name: 'typescript-filter',
      workerData: start,
      resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
    });
    this.#worker.unref();
    this.#worker.on('message', (message: FromHost) => this.#receive(message));
    this.#worker.on('error', (error) => this.#died(errorText(error), false));
    this.#worker.on('exit', (code) => this.#died(`its thread ended with code ${code}`, false));
    for (const [id, value] of configs.entries()) this.addConfig(id, value);
  }
  /** Configuration 0 is the filter's own; others are routes'. */
  addConfig(id: number, value: unknown): void {
    this.#send({ kind: 'config', id, value });
  }
  /** Undefined when there are too many already. */
  openStream(): number | undefined {
    if (this.#streams >= MAX_STREAMS) return undefined;
    this.#streams++;
    return ++this.#nextStream;
  }
  closeStream(stream: number): void {
    this.#streams--;
    const pending = this.#pending.get(stream);
    if (pending !== undefined) {
      pending.cancelTimeout();
      this.#pending.delete(stream);
    }
    this.#send({ kind: 'end', stream });
    this.#closeIfDone();
  }
  /** One call at a time for each stream; `finish` is called once, later, unless the stream is closed first. */
  call(message: Call, timeoutMs: number, finish: (result: CallResult) => void): void {
    if (this.#ended) {
      queueMicrotask(() => finish(this.#failed('died', 'its thread has ended')));
      return;
    }
    const cancelTimeout = this.#clock.setTimeout(() => {
      this.#pending.delete(message.stream);
      this.#ping();
      finish(this.#failed('timeout', `${message.phase} took longer than ${timeoutMs} ms`));
    }, timeoutMs);
    this.#pending.set(message.stream, { phase: message.phase, finish, cancelTimeout });
    this.#send(message);
  }
  /** No new streams: it ends with the last one. */
  retire(): void {
    this.#retired = true;
    this.#closeIfDone();
  }
  #closeIfDone(): void {
    if (!this.#retired || this.#streams > 0 || this.#ended) return;
    this.#ended = true;
    this.#cancelPing?.();
    void this.#worker.terminate();
  }
  #failed(kind: 'error' | 'timeout' | 'died', error: string): CallResult {
    return { ok: false, kind, failure: { error, at: this.#path } };
  }
  #ping(): void {
    if (this.#cancelPing !== undefined || this.#ended) return;
    this.#send({ kind: 'ping' });
    this.#cancelPing = this.#clock.setTimeout(() => {
      this.#died('it kept its thread busy and was ended', true);
      void this.#worker.terminate();
    }, PING_MS);
  }
  #died(reason: string, stuck: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelPing?.();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { cancelTimeout, finish } of pending) {
      cancelTimeout();
      finish(this.#failed('died', reason));
    }
    this.#events.onDied(reason, stuck);
  }
  #send(message: ToHost): void {
    if (!this.#ended) this.#worker.postMessage(message);
  }
  #take(stream: number, phase?: Phase): Pending | undefined {
    const pending = this.#pending.get(stream);
    if (pending === undefined || (phase !== undefined && pending.phase !== phase)) return undefined;
    this.#pending.delete(stream);
    pending.cancelTimeout();
    return pending;
  }
  #receive(message: FromHost): void {
    if (this.#ended) return;
    switch (message.kind) {
      case 'done':
        this.#take(message.stream)?.finish({ ok: true, done: message });
        return;
      case 'failed':
        this.#take(message.stream, message.phase)?.finish({ ok: false, kind: 'error', failure: message });
        return;
      case 'ready':
        this.hooks = message.hooks;
        this.#events.onReady(message.hooks);
        return;
      case 'load-failed':
        this.#events.onLoadFailed(message);
        return;
      case 'stray':
        this.#events.onStray(message);
        return;
      case 'pong':
        this.#cancelPing?.();
        this.#cancelPing = undefined;
        return;
      case 'log':
        this.#events.onLog(message.message, message.fields);
        return;
      case 'fetch':
        this.#fetch(message);
    }
  }
  #fetch({ id, cluster, request, body, timeoutMs }: FromHost & { kind: 'fetch' }): void {
    const head = { ...request, scheme: 'http', version: 'HTTP/1.1' as const };
    if (body.length > 0 || request.method !== 'GET') head.headers.push('content-length', String(body.length));
    this.#upstream.http(cluster, head, Buffer.from(body.buffer, body.byteOffset, body.byteLength), timeoutMs).then(
      (answer) =>
        this.#send({
          kind: 'fetched',
          id,
          answer: { ok: true, status: answer.head.status, headers: answer.head.headers, body: answer.body },
        }),
      (error: unknown) => this.#send({ kind: 'fetched', id, answer: { ok: false, error: errorText(error) } }),
    );
  }
}
