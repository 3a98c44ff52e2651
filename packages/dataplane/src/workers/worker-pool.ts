import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Backoff, errorText } from '@xebec/core';
import type { ProcessState } from '@xebec/filters';
import { BootstrapSchema } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { ConfigSourceSchema } from '@xebec/protos/envoy/config/core/v3/config_source';
import { createStats, RemoteStats } from '@xebec/telemetry';
import { systemResolve } from '../clusters/dns-resolver.ts';
import type { DataplaneOptions } from '../dataplane.ts';
import { levelOf } from '../runtime/log-level.ts';
import type { SharedCounters } from '../runtime/shared-counter.ts';
import { BucketTable, bucketMemory } from './bucket-table.ts';
import { CounterOwner } from './counter-table.ts';
import type { FromWorker, ToWorker, WorkerStart } from './protocol.ts';
import { type RelayTarget, ResourceRelay } from './resource-relay.ts';
import type { ConfigSources, DataplaneThread, HostReport, InForce, ThreadCommand, WorkerReport } from './thread.ts';
import { SharedSockets } from './worker-sockets.ts';

interface Slot extends RelayTarget {
  readonly index: number;
  readonly backoff: Backoff;
  worker: Worker | undefined;
  remote: RemoteStats;
  startedAtMs: number;
  /** Waits to be started again. */
  cancelRestart: (() => void) | undefined;
}

/** Left alone it grows to three times this while modules load, and never shrinks: 80 MB of memory that serve nobody. */
const maxYoungGenerationSizeMb = 24;
const reportTimeoutMs = 2000;
/** A worker that ran so long did not die of its configuration: the next death is answered at once again. */
const healthyAfterMs = 10_000;

/** The main thread of a data plane whose connections are carried by workers. */
export class WorkerPool implements DataplaneThread {
  readonly role = 'main';
  /** The thread after the workers: connection ids and counters of its own. */
  readonly index: number;
  readonly count: number;
  readonly stats = createStats();
  readonly sockets: SharedSockets;
  readonly #options: DataplaneOptions;
  readonly #counters: CounterOwner;
  readonly #slots: Slot[];
  readonly #reports = new Map<number, (report: HostReport) => void>();
  /** What a worker that starts late must hear. */
  readonly #standing = new Map<string, ThreadCommand>();
  readonly #buckets = bucketMemory();
  #relay: ResourceRelay | undefined;
  #onReport: ((report: WorkerReport) => void) | undefined;
  #reportId = 0;
  #closing = false;

  constructor(options: DataplaneOptions) {
    const count = options.concurrency ?? 1;
    this.#options = options;
    this.index = 0;
    this.count = count;
    this.#slots = Array.from({ length: count }, (_, index) => this.#slot(index));
    this.sockets = new SharedSockets(count, (worker, message) => this.#slots[worker]?.send(message), options.openSocket);
    this.#counters = new CounterOwner(count + 1, (table) => this.#broadcast({ kind: 'counters', table }));
    this.stats.counter('server.worker_restarts');
  }
  get counters(): SharedCounters {
    return this.#counters.counters;
  }
  get process(): ProcessState {
    // This thread carries no traffic, and so takes no tokens.
    return { tokenBucket: new BucketTable(this.#buckets, () => 0).bucket, counter: this.counters };
  }
  sources(own: () => ConfigSources): ConfigSources {
    this.#relay = new ResourceRelay(own());
    return this.#relay;
  }
  start(inForce: InForce, onReport: (report: WorkerReport) => void): void {
    this.#onReport = onReport;
    this.#relay?.follow(inForce);
    for (const slot of this.#slots) this.#startWorker(slot);
  }
  onState(): void {}
  report(): void {}
  command(command: ThreadCommand): void {
    const key = standingKey(command);
    if (key !== undefined) this.#standing.set(key, command);
    this.#broadcast({ kind: 'command', command });
  }
  async hostReports(): Promise<readonly HostReport[]> {
    return Promise.all(this.#slots.filter((slot) => slot.worker !== undefined).map((slot) => this.#hostReport(slot)));
  }
  /** Ends one worker as a crash would: a fault for tests. */
  async terminate(index: number): Promise<void> {
    await this.#slots[index]?.worker?.terminate();
  }
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(
      this.#slots.map(async (slot) => {
        slot.cancelRestart?.();
        await slot.worker?.terminate();
      }),
    );
  }
  #slot(index: number): Slot {
    const slot: Slot = {
      index,
      backoff: new Backoff({ baseMs: 100, maxMs: 5000 }, this.#options.random),
      worker: undefined,
      remote: new RemoteStats(),
      startedAtMs: 0,
      cancelRestart: undefined,
      send: (message) => slot.worker?.postMessage(message),
    };
    return slot;
  }
  #startWorker(slot: Slot): void {
    const { bootstrap, version, serviceNode, serviceCluster, drain, fileFlushIntervalMs, fileFlushMinBytes, env, clock } = this.#options;
    const { admin: _, ...withoutAdmin } = bootstrap;
    const start: WorkerStart = {
      index: slot.index,
      count: this.count,
      bootstrap: toBinary(BootstrapSchema, create(BootstrapSchema, withoutAdmin)),
      version,
      serviceNode,
      serviceCluster,
      drain,
      fileFlushIntervalMs,
      fileFlushMinBytes,
      env: { ...env },
      counters: this.#counters.table,
      buckets: this.#buckets,
      standing: [...this.#standing.values()],
      logLevel: levelOf(this.#options.logger),
      compileCache: compileCache(),
    };
    const worker = new Worker(new URL('./worker-entry.ts', import.meta.url), {
      workerData: start,
      name: `worker_${slot.index}`,
      // The main thread has said so already.
      execArgv: [...process.execArgv, '--disable-warning=ExperimentalWarning'],
      resourceLimits: { maxYoungGenerationSizeMb },
    });
    slot.worker = worker;
    this.#relay?.join(slot);
    slot.startedAtMs = clock.monotonic();
    slot.remote = new RemoteStats();
    this.stats.attach(slot.remote);
    worker.on('message', (message: FromWorker) => this.#receive(slot, message));
    worker.on('error', (error) => this.#options.logger.error({ worker: slot.index }, `worker failed: ${errorText(error)}`));
    worker.on('exit', () => this.#onExit(slot));
  }
  #onExit(slot: Slot): void {
    slot.worker = undefined;
    this.#relay?.forget(slot);
    this.sockets.onWorkerGone(slot.index);
    this.stats.detach(slot.remote);
    this.#counters.release(slot.index);
    if (this.#closing) return;
    this.stats.counter('server.worker_restarts').add(1);
    if (this.#options.clock.monotonic() - slot.startedAtMs > healthyAfterMs) slot.backoff.reset();
    const delayMs = slot.backoff.nextMs();
    this.#options.logger.warn({ worker: slot.index, delayMs: Math.round(delayMs) }, 'worker is gone and will be started again');
    slot.cancelRestart = this.#options.clock.setTimeout(() => this.#startWorker(slot), delayMs);
  }
  #receive(slot: Slot, message: FromWorker): void {
    switch (message.kind) {
      case 'collect':
        this.#relay?.followCollection(message.statPrefix, slot);
        return;
      case 'subscribe':
        this.#relay?.followResource(message.key, fromBinary(ConfigSourceSchema, message.source), message.typeUrl, message.name, slot);
        return;
      case 'unsubscribe':
        this.#relay?.unfollowResource(message.key, slot);
        return;
      case 'socket-wanted':
        this.sockets.onWanted(slot.index, message.key);
        return;
      case 'listening':
        this.sockets.onListening(slot.index, message.key, message.error);
        return;
      case 'resolve':
        void this.#resolve(slot, message.id, message.arguments);
        return;
      case 'stats':
        slot.remote.apply(message.report);
        return;
      case 'hosts':
        this.#reports.get(message.id)?.(message.report);
        return;
      case 'report':
        this.#onReport?.(message.report);
        return;
      case 'log':
        this.#options.logger[message.level]({ worker: slot.index, ...message.fields }, message.message);
        return;
      default:
        message satisfies never;
    }
  }
  async #resolve(slot: Slot, id: number, query: Extract<FromWorker, { kind: 'resolve' }>['arguments']): Promise<void> {
    const resolve = this.#options.resolve ?? systemResolve;
    try {
      slot.send({ kind: 'resolved', id, addresses: await resolve(...query), error: '' });
    } catch (error) {
      slot.send({ kind: 'resolved', id, addresses: undefined, error: errorText(error) });
    }
  }
  #hostReport(slot: Slot): Promise<HostReport> {
    const id = this.#reportId++;
    return new Promise((resolve) => {
      const finish = (report: HostReport): void => {
        cancel();
        this.#reports.delete(id);
        resolve(report);
      };
      // A worker that is busy or dying must not hold up the admin API.
      const cancel = this.#options.clock.setTimeout(() => finish({}), reportTimeoutMs);
      this.#reports.set(id, finish);
      slot.send({ kind: 'report-hosts', id });
    });
  }
  #broadcast(message: ToWorker): void {
    for (const slot of this.#slots) slot.send(message);
  }
}

/** Where the main thread keeps compiled code: node adds a folder for its version to what it is told. */
function compileCache(): string | undefined {
  const versioned = getCompileCacheDir();
  return versioned === undefined ? undefined : dirname(versioned);
}

/** Commands that hold until another of the same key, and so are told to workers that start later. */
function standingKey(command: ThreadCommand): string | undefined {
  switch (command.kind) {
    case 'drain':
    case 'unhealthy':
    case 'runtime':
    case 'taps':
      return command.kind;
    case 'health':
      return `health of ${command.cluster}`;
    case 'ejections':
      return `ejections of ${command.cluster}`;
    default:
      return undefined;
  }
}
