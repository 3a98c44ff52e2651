import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { Backoff } from '@xebec/core';
import type { Counter } from '@xebec/telemetry';
import type { FilterContext } from '../../http-filter.ts';
import { HostThread } from './host-thread.ts';
import type { Failure } from './protocol.ts';

/** Editors write a file in several steps; so long it must be left alone, milliseconds. */
const SETTLE_MS = 50;

export type LiveFileStats = Readonly<Record<'reloads' | 'reloadFailures' | 'restarts' | 'watchdog' | 'stray', Counter>>;

/** A user's file that follows its changes: the last version that loads is in force, and comes back when its thread dies. */
export class LiveFile {
  readonly #path: string;
  readonly #context: FilterContext;
  readonly #stats: LiveFileStats;
  readonly #configs: unknown[];
  readonly #configIds = new Map<unknown, number>();
  readonly #watcher: FSWatcher | undefined;
  readonly #backoff: Backoff;
  #current: HostThread | undefined;
  #loading: HostThread | undefined;
  #loadedText = '';
  #waiting: ((thread: HostThread | undefined) => void)[] = [];
  #failed = false;
  #closed = false;
  #cancelTimer: (() => void) | undefined;

  constructor(path: string, config: unknown, context: FilterContext, stats: LiveFileStats) {
    this.#path = path;
    this.#context = context;
    this.#stats = stats;
    this.#configs = [config];
    this.#backoff = new Backoff({ baseMs: 200, maxMs: 30_000 }, context.random);
    this.#load();
    // The folder, not the file: editors replace files.
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (_, name) => {
        if (name === null || name === basename(path)) this.#later(SETTLE_MS);
      });
      this.#watcher.on('error', (error) => context.logger.warn({ path, error: error.message }, 'a filter file is no longer watched'));
    } catch (error) {
      context.logger.warn({ path, error: String(error) }, 'a filter file cannot be watched: changes need a new configuration');
    }
  }
  /** The version in force; undefined while none is loaded. */
  get current(): HostThread | undefined {
    return this.#current;
  }
  /** Calls back, later, with the first version that loads, or with undefined when it does not. */
  whenLoaded(done: (thread: HostThread | undefined) => void): void {
    if (this.#failed || this.#closed) queueMicrotask(() => done(this.#current));
    else this.#waiting.push(done);
  }
  /** The number by which calls name a route's configuration. */
  configId(value: unknown): number {
    const known = this.#configIds.get(value);
    if (known !== undefined) return known;
    const id = this.#configs.push(value) - 1;
    this.#configIds.set(value, id);
    this.#current?.addConfig(id, value);
    this.#loading?.addConfig(id, value);
    return id;
  }
  close(): void {
    this.#closed = true;
    this.#cancelTimer?.();
    this.#watcher?.close();
    this.#current?.retire();
    this.#loading?.retire();
    this.#tell(undefined);
  }
  #later(ms: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#context.clock.setTimeout(() => this.#load(), ms);
  }
  #load(): void {
    if (this.#closed) return;
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch {
      return; // Between removal and replacement; the next event brings it.
    }
    if (this.#current !== undefined && text === this.#loadedText) return;
    this.#loading?.retire();
    const { upstream, clock, logger } = this.#context;
    const where = (failure: Failure) => ({ error: failure.error, at: failure.at });
    const thread: HostThread = new HostThread(this.#path, this.#configs, upstream, clock, {
      onReady: () => {
        if (thread !== this.#loading) return;
        const before = this.#current;
        this.#loading = undefined;
        this.#current = thread;
        this.#loadedText = text;
        this.#failed = false;
        this.#backoff.reset();
        if (before !== undefined) {
          this.#stats.reloads.add(1);
          logger.info({ path: this.#path }, 'a filter file was loaded anew');
        }
        before?.retire();
        this.#tell(thread);
      },
      onLoadFailed: (failure) => {
        if (thread !== this.#loading) {
          logger.error(where(failure), 'a route has a configuration that the filter file refuses');
          return;
        }
        this.#loading = undefined;
        this.#failed = true;
        this.#stats.reloadFailures.add(1);
        logger.error(
          where(failure),
          this.#current === undefined ? 'a filter file does not load' : 'a filter file does not load: its last good version stays',
        );
        thread.retire();
        this.#tell(this.#current);
      },
      onDied: (reason, stuck) => this.#died(thread, reason, stuck),
      onStray: (failure) => {
        this.#stats.stray.add(1);
        logger.error(where(failure), 'a filter file threw outside of a call');
      },
      onLog: (message, fields) => logger.info({ ...fields, filter: this.#path }, message),
    });
    this.#loading = thread;
  }
  #died(thread: HostThread, reason: string, stuck: boolean): void {
    if (thread !== this.#current && thread !== this.#loading) return;
    if (stuck) this.#stats.watchdog.add(1);
    if (thread === this.#loading) this.#loading = undefined;
    else this.#current = undefined;
    this.#stats.restarts.add(1);
    this.#context.logger.error({ path: this.#path, reason }, 'the thread of a filter file is gone; it starts again');
    this.#tell(this.#current);
    if (!this.#closed) this.#later(this.#backoff.nextMs());
  }
  #tell(thread: HostThread | undefined): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done(thread);
  }
}
