import { createWriteStream, type WriteStream } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import type { Random } from '@xebec/core';
import { compileHeaderLookup, compileMetadataMatcher } from '@xebec/matching';
import type { AccessLog } from '@xebec/protos/envoy/config/accesslog/v3/accesslog';
import {
  type CompiledAccessLog,
  type Counter,
  compileAccessLog,
  type FormatEnvironment,
  type Gauge,
  type StatsScope,
} from '@xebec/telemetry';
import type { AccessLogWriter } from './access-log-writer.ts';
import { isRemote, type RemoteAccessLogs } from './remote-access-logs.ts';

export interface AccessLogsOptions {
  readonly random: Random;
  readonly environment: FormatEnvironment;
  readonly flushIntervalMs: number;
  /** What gathers to this is written at once. */
  readonly flushBytes: number;
  /** Where writing is counted (`filesystem.*`). */
  readonly stats: StatsScope;
  /** Logs that go to a service. */
  readonly remote: RemoteAccessLogs;
  /** Values of the runtime, for filters that have a key. */
  readonly runtime?: (key: string) => number | undefined;
}

/** Lines beyond this are dropped while a sink does not take any. */
const maxBufferedBytes = 8 * 1024 * 1024;

/** Opens each log file once and writes what gathers every flush interval, or when it is enough. */
export class AccessLogs {
  readonly #options: AccessLogsOptions;
  readonly #sinks = new Map<string, LogSink>();
  readonly #stats: FileStats;

  constructor(options: AccessLogsOptions) {
    this.#options = options;
    const scope = options.stats.scope('filesystem');
    this.#stats = {
      buffered: scope.counter('write_buffered'),
      completed: scope.counter('write_completed'),
      flushedByTimer: scope.counter('flushed_by_timer'),
      waiting: scope.gauge('write_total_buffered'),
      failed: scope.counter('write_failed'),
      reopenFailed: scope.counter('reopen_failed'),
    };
  }
  /** Compiles configured logs; throws XebecError `E_ACCESS_LOG`. */
  compile(configs: readonly AccessLog[]): AccessLogWriter[] {
    return configs.map((config) => {
      const matchers = {
        header: compileHeaderLookup,
        metadata: compileMetadataMatcher,
        random: () => this.#options.random.next(),
        runtime: (key: string) => this.#options.runtime?.(key),
      };
      if (isRemote(config)) return this.#options.remote.compile(config, matchers);
      const compiled = compileAccessLog(config, {
        environment: this.#options.environment,
        matchers,
      });
      return this.#writer(compiled);
    });
  }
  flush(): void {
    this.#options.remote.flush();
    for (const sink of this.#sinks.values()) sink.flush();
  }
  /** Opens the files again, where a log rotator has moved them. */
  reopen(): void {
    for (const sink of this.#sinks.values()) sink.reopen();
  }
  close(): void {
    this.#options.remote.flush();
    for (const sink of this.#sinks.values()) sink.close();
  }
  #writer(compiled: CompiledAccessLog): AccessLogWriter {
    let sink: LogSink | undefined;
    return {
      log: (context) => {
        const line = compiled.line(context);
        if (line === undefined) return;
        sink ??= this.#sink(compiled.path);
        sink.append(line);
      },
    };
  }
  #sink(path: string): LogSink {
    let sink = this.#sinks.get(path);
    if (sink === undefined) {
      sink = new LogSink(path, this.#options, this.#stats);
      this.#sinks.set(path, sink);
    }
    return sink;
  }
}

/** `filesystem.*`: lines taken, writes done, and bytes that wait. */
interface FileStats {
  readonly buffered: Counter;
  readonly completed: Counter;
  readonly flushedByTimer: Counter;
  readonly waiting: Gauge;
  readonly failed: Counter;
  readonly reopenFailed: Counter;
}

/** Standard streams, by descriptor. */
const descriptors: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 };

class LogSink {
  #stream: NodeJS.WriteStream | WriteStream;
  readonly #path: string;
  readonly #options: AccessLogsOptions;
  readonly #stats: FileStats;
  #buffer = '';
  #timer: NodeJS.Timeout | undefined;

  constructor(path: string, options: AccessLogsOptions, stats: FileStats) {
    this.#stats = stats;
    this.#path = path;
    this.#options = options;
    this.#stream = this.#open();
  }
  append(line: string): void {
    if (this.#buffer.length > maxBufferedBytes) return;
    this.#buffer += line;
    this.#stats.buffered.add(1);
    this.#stats.waiting.add(line.length);
    if (this.#buffer.length >= this.#options.flushBytes) this.flush();
    else
      this.#timer ??= setTimeout(() => {
        this.#stats.flushedByTimer.add(1);
        this.flush();
      }, this.#options.flushIntervalMs).unref();
  }
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#buffer === '' || this.#stream.writableLength > maxBufferedBytes) return;
    const { length } = this.#buffer;
    this.#stream.write(this.#buffer, (error) => {
      this.#stats.waiting.add(-length);
      (error ? this.#stats.failed : this.#stats.completed).add(1);
    });
    this.#buffer = '';
  }
  reopen(): void {
    if (descriptors[this.#path] !== undefined) return;
    this.close();
    this.#stream = this.#open();
  }
  close(): void {
    this.flush();
    if (this.#stream !== process.stdout && this.#stream !== process.stderr) this.#stream.end();
  }
  #open(): NodeJS.WriteStream | WriteStream {
    const fd = descriptors[this.#path];
    // In a worker the standard streams would go through the main thread.
    if (fd !== undefined && isMainThread) return fd === 1 ? process.stdout : process.stderr;
    const stream = createWriteStream(this.#path, fd === undefined ? { flags: 'a' } : { fd, autoClose: false });
    // A log that cannot be written must not stop traffic.
    stream.on('error', () => undefined);
    return stream;
  }
}
