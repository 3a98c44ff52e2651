import { readFileSync } from 'node:fs';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { parseBootstrap, startDataplane } from '@xebec/dataplane';

/** What the parent may ask for. */
export type Order = { readonly kind: 'terminate'; readonly worker: number } | { readonly kind: 'observe' };

export interface Observation {
  readonly port: number;
  readonly restarts: number;
  readonly requests: number;
  readonly connections: number;
  readonly rssBytes: number;
}

/** A data plane with two workers that its parent can take away. Argument: the bootstrap file. */
const [file = ''] = process.argv.slice(2);
const dataplane = await startDataplane({
  bootstrap: parseBootstrap(readFileSync(file, 'utf8'), file),
  clock: systemClock,
  random: systemRandom,
  logger: silentLogger,
  version: 'chaos',
  concurrency: 2,
});
await dataplane.ready;

function observe(): Observation {
  const numbers = new Map(dataplane.state.stats.collect().map((sample) => [sample.name, 'value' in sample ? sample.value : 0]));
  const bound = dataplane.state.listeners.boundAddress('main');
  return {
    port: bound?.kind === 'tcp' ? bound.port : 0,
    restarts: numbers.get('server.worker_restarts') ?? 0,
    requests: numbers.get('http.test.downstream_rq_total') ?? 0,
    connections: dataplane.state.activeConnections,
    rssBytes: process.memoryUsage.rss(),
  };
}

process.on('message', (order: Order) => {
  if (order.kind === 'observe') process.send?.(observe());
  else void dataplane.terminateWorker(order.worker).then(() => process.send?.(observe()));
});
process.on('disconnect', () => process.exit(0));
process.send?.(observe());
