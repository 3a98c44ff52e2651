import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type BootstrapShape, bootstrap } from '../proxy/bootstrap.ts';
import { Contender, proxyCore } from '../proxy/contenders.ts';
import { type LoadShape, runLoad } from '../proxy/load.ts';
import { type Rig, startRig } from '../proxy/rig.ts';
import { nodeFlags, own } from '../src/child-process.ts';
import { freePorts } from '../src/free-ports.ts';
import { summarize } from '../src/stats.ts';
import type { BenchPart } from './part.ts';

const root = resolve(import.meta.dirname, '../..');
const WARM_UP_SECONDS = 3;
/** Pairs of windows of which each proxy gets one, in changing order. */
const PAIRS = 4;

const shape: BootstrapShape = { chain: 'sidecar' };
const load: LoadShape = { protocol: 'http1', connections: 16, streams: 1, path: '/' };
const metadata = {
  NAME: 'reviews-v1-0',
  NAMESPACE: 'default',
  WORKLOAD_NAME: 'reviews-v1',
  CLUSTER_ID: 'Kubernetes',
  ISTIO_VERSION: '1.29.0',
  LABELS: { app: 'reviews', version: 'v1' },
};
const typed = (name: string, type: string, config: object = {}) => ({
  name,
  typed_config: { '@type': `type.googleapis.com/${type}`, ...config },
});
const telemetryFilters = [
  typed('istio.metadata_exchange', 'io.istio.http.peer_metadata.Config', {
    downstream_discovery: [{ istio_headers: {} }],
    downstream_propagation: [{ istio_headers: {} }],
  }),
  typed('istio.stats', 'stats.PluginConfig', { disable_host_header_fallback: true }),
];

interface Chain {
  typed_config: { http_filters: object[] };
}

/** A sidecar's inbound listener as `bench/proxy` has it, with or without the filters of telemetry before its router. */
function withTelemetry(text: string, on: boolean): string {
  const parsed: {
    node: { metadata?: object };
    static_resources: { listeners: { traffic_direction?: string; filter_chains: { filters: Chain[] }[] }[] };
  } = JSON.parse(text);
  parsed.node.metadata = metadata;
  for (const listener of parsed.static_resources.listeners) {
    listener.traffic_direction = 'INBOUND';
    if (!on) continue;
    for (const chain of listener.filter_chains)
      for (const { typed_config: manager } of chain.filters) manager.http_filters.splice(-1, 0, ...telemetryFilters);
  }
  return JSON.stringify(parsed);
}

async function start(on: boolean, { folder, backendPort }: Rig): Promise<Contender> {
  const [listener, admin] = await freePorts(2);
  if (listener === undefined || admin === undefined) throw new Error('no free ports');
  const file = join(folder, `telemetry-${on}.json`);
  writeFileSync(file, withTelemetry(bootstrap(shape, { listener, admin, backend: backendPort }), on));
  const command = [
    process.execPath,
    ...nodeFlags(),
    join(root, 'apps/proxy/bin/xebec-proxy.ts'),
    '-c',
    file,
    '-l',
    'error',
    '--concurrency',
    '1',
  ];
  const child = own(spawn('taskset', ['-c', proxyCore, ...command], { stdio: ['ignore', 'pipe', 'pipe'] }));
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => log.push(String(bytes)));
  const contender = new Contender('xebec', listener, admin, child, log);
  await contender.ready();
  return contender;
}

interface Pair {
  readonly rig: Rig;
  readonly off: Contender;
  readonly on: Contender;
}
let pair: Pair | undefined;

async function startPair(): Promise<Pair> {
  const rig = await startRig();
  const [off, on] = [await start(false, rig), await start(true, rig)];
  for (const { listener } of [off, on]) await runLoad(load, listener, WARM_UP_SECONDS, rig.folder);
  return { rig, off, on };
}

async function cpuPerRequest(contender: Contender, seconds: number, folder: string): Promise<number> {
  const before = contender.cpu();
  const { requests, failed } = await runLoad(load, contender.listener, seconds, folder);
  if (failed > 0) throw new Error(`${failed} requests failed`);
  const after = contender.cpu();
  return (after.userUs + after.sysUs - before.userUs - before.sysUs) / requests;
}

/** The same proxy with and without its telemetry, in turns: a difference of two figures of one machine at one time. */
export const telemetry: BenchPart = {
  name: 'telemetry',
  what: 'CPU that metadata exchange and all istio_* metrics add to a request in the proxy, without Mixer',
  unit: 'us',
  limit: 3,
  async measure({ seconds }) {
    pair ??= await startPair();
    const { rig, off, on } = pair;
    const each = Math.max(1, Math.round(seconds / 2));
    const differences: number[] = [];
    for (let i = 0; i < PAIRS; i++) {
      const order = i % 2 === 0 ? [off, on] : [on, off];
      const cost = new Map<Contender, number>();
      for (const contender of order) cost.set(contender, await cpuPerRequest(contender, each, rig.folder));
      differences.push((cost.get(on) ?? Number.NaN) - (cost.get(off) ?? Number.NaN));
    }
    return summarize(differences).median;
  },
  async close() {
    await pair?.off.stop();
    await pair?.on.stop();
    pair?.rig.close();
    pair = undefined;
  },
};
