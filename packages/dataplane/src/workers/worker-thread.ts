import { parentPort, workerData } from 'node:worker_threads';
import { fromBinary } from '@bufbuild/protobuf';
import { errorText, type Logger, systemClock, systemRandom } from '@xebec/core';
import { BootstrapSchema } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { createStats } from '@xebec/telemetry';
import type { ResolveName } from '../clusters/dns-resolver.ts';
import { type Dataplane, startDataplane } from '../dataplane.ts';
import { localCounters } from '../runtime/shared-counter.ts';
import { BucketTable } from './bucket-table.ts';
import { CounterReader } from './counter-table.ts';
import { isMainMetric } from './main-metrics.ts';
import type { FromWorker, LogLevel, ToWorker, WorkerStart } from './protocol.ts';
import { RelayedSources } from './relayed-sources.ts';
import type { DataplaneThread, HostNumbers, HostReport, ThreadCommand } from './thread.ts';
import { HandedSockets } from './worker-sockets.ts';

// Given by the worker pool, which is the only one to start this.
const start = workerData as WorkerStart;
const port = parentPort;
if (port === null) throw new Error('this runs only as a worker of a data plane');

const send = (message: FromWorker): void => port.postMessage(message);

const logLevels = ['trace', 'debug', 'info', 'warn', 'error'];
let logLevel = start.logLevel;
const logger = relayedLogger({});
const sources = new RelayedSources(send);
const sockets = new HandedSockets(send);
const counters = new CounterReader(start.counters, start.count + 1, start.index, localCounters());
const resolving = new Map<number, PromiseWithResolvers<Awaited<ReturnType<ResolveName>>>>();
let resolveId = 0;
// A clock that is the same in all threads.
const processMs = (): number => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
};
const buckets = new BucketTable(start.buckets, processMs);
let dataplane: Dataplane | undefined;
const waiting: ThreadCommand[] = [...start.standing];

const resolve: ResolveName = (...query) => {
  const id = resolveId++;
  const answer = Promise.withResolvers<Awaited<ReturnType<ResolveName>>>();
  resolving.set(id, answer);
  send({ kind: 'resolve', id, arguments: query });
  return answer.promise;
};

const thread: DataplaneThread = {
  role: 'worker',
  index: start.index,
  count: start.count,
  stats: createStats({ publish: (report) => send({ kind: 'stats', report }), unpublished: isMainMetric }),
  sockets,
  counters: counters.counters,
  process: { tokenBucket: buckets.bucket, counter: counters.counters },
  sources: () => sources,
  onState(obey) {
    // What stands must hold for the first connection; what is about listeners waits for those.
    for (const command of waiting) if (command.kind !== 'drain' && command.kind !== 'stop-listening') obey(command);
  },
  start: () => undefined,
  report: (report) => send({ kind: 'report', report }),
  command: () => undefined,
  hostReports: async () => [],
  close: async () => undefined,
};

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'socket':
      sockets.receive(message);
      return;
    case 'resolved': {
      const answer = resolving.get(message.id);
      resolving.delete(message.id);
      if (message.addresses === undefined) answer?.reject(new Error(message.error));
      else answer?.resolve(message.addresses);
      return;
    }
    case 'counters':
      counters.apply(message.table);
      return;
    case 'command':
      if (message.command.kind === 'log-level') {
        logLevel = message.command.level;
        return;
      }
      // A command may come before there is anything to obey it.
      if (dataplane === undefined) waiting.push(message.command);
      else dataplane.state.obey(message.command);
      return;
    case 'report-hosts':
      send({ kind: 'hosts', id: message.id, report: hostReport() });
      return;
    default:
      for (const error of sources.receive(message)) logger.error({}, `what the main thread accepted cannot be used: ${error}`);
  }
});

dataplane = await startDataplane({
  bootstrap: fromBinary(BootstrapSchema, start.bootstrap),
  clock: systemClock,
  random: systemRandom,
  logger,
  version: start.version,
  resolve,
  env: start.env,
  thread,
  ...(start.serviceNode === undefined ? {} : { serviceNode: start.serviceNode }),
  ...(start.serviceCluster === undefined ? {} : { serviceCluster: start.serviceCluster }),
  ...(start.drain === undefined ? {} : { drain: start.drain }),
  ...(start.fileFlushMinBytes === undefined ? {} : { fileFlushMinBytes: start.fileFlushMinBytes }),
  ...(start.fileFlushIntervalMs === undefined ? {} : { fileFlushIntervalMs: start.fileFlushIntervalMs }),
});
for (const command of waiting) dataplane.state.obey(command);

function hostReport(): HostReport {
  const report: Record<string, Record<string, HostNumbers>> = {};
  for (const cluster of dataplane?.state.clusters.all ?? []) {
    const hosts: Record<string, HostNumbers> = {};
    for (const host of cluster.hosts) {
      const { activeRequests, activeConnections, totalConnections, totalRequests, successes, errors, timeouts, connectFailures } = host;
      hosts[host.text] = {
        activeRequests,
        activeConnections,
        totalConnections,
        totalRequests,
        successes,
        errors,
        timeouts,
        connectFailures,
      };
    }
    report[cluster.config.name] = hosts;
  }
  return report;
}

/** Logs through the main thread, which has the sink and the level. */
function relayedLogger(bound: object): Logger {
  const at =
    (level: LogLevel) =>
    (fields: object, message?: string): void => {
      // A level that is not among these is above all of them.
      if (!logLevels.includes(logLevel) || logLevels.indexOf(level) < logLevels.indexOf(logLevel)) return;
      try {
        send({ kind: 'log', level, fields: { ...bound, ...fields }, message });
      } catch (error) {
        // A field that cannot be cloned.
        send({ kind: 'log', level, fields: { problem: errorText(error) }, message });
      }
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => relayedLogger({ ...bound, ...fields }),
  };
}
