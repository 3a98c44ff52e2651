import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type BootstrapShape, bootstrap } from '../proxy/bootstrap.ts';
import { Contender, loadCore, proxyCore } from '../proxy/contenders.ts';
import { type LoadOutcome, type LoadShape, runLoad } from '../proxy/load.ts';
import { type Rig, startRig } from '../proxy/rig.ts';
import { nodeFlags, own } from '../src/child-process.ts';
import { freePorts } from '../src/free-ports.ts';
import { summarize } from '../src/stats.ts';
import { cpuTimeUs } from './cpu-time.ts';

const root = resolve(import.meta.dirname, '../..');
const WARM_UP_SECONDS = 3;
const WARM_UP_REQUESTS = 30_000;
const READY_DEADLINE_MS = 60_000;
/** Pairs of windows of which each listener gets one, in changing order; of CPU, and of latencies, whose tail is mostly the machine's. */
const CPU_PAIRS = 24;
const LATENCY_PAIRS = 40;
const LATENCY_WINDOW_SECONDS = 1;
const RATE = 1000;

const shape: BootstrapShape = { chain: 'sidecar' };
const load: LoadShape = {
  protocol: 'http1',
  connections: 16,
  streams: 1,
  path: '/reviews/1',
  headers: ['user: jason', 'x-request-id: 3d0f2a52-0b29-4a4e-9d0d-6c5f5a1f2d11', 'accept: */*'],
};

/** Every request is checked by a rule about a header, and lists by the caller's version: the answer depends on six attributes. */
const policy = `
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: istio-system}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: no}, validDuration: 600s, validUseCount: 100000000}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: istio-system}
spec:
  match: (request.headers["user"] | "") == "evil" && request.method == "GET" && (source.labels["version"] | "") == "v9"
  actions: [{handler: deny, instances: [nothing]}]
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: agents, namespace: istio-system}
spec:
  match: (request.useragent | "") == "wget" && destination.labels["app"] == "ratings"
  actions: [{handler: deny, instances: [nothing]}]
`;

/** What one listener has and the other has not. */
export interface Variant {
  /** Filters before the router. */
  readonly filters: readonly object[];
  readonly accessLog?: boolean;
  /** Whether Mixer is asked; then nearly all answers must come from the cache. */
  readonly checked?: boolean;
  /**
   * Whether Mixer works only when load and backend do not want their core: elsewhere it has a machine of its own, and its work is not the
   * latency of theirs. Not for load without a rate, which would leave it nothing.
   */
  readonly mixerYields?: boolean;
}

/**
 * One proxy with two listeners, one with what is measured and one without, and a real Mixer on the load's core. Two processes would not do:
 * what the compiler and the collector happen to do differs between two equal proxies by more than is measured here.
 */
export class ProxyPair {
  readonly #rig: Rig;
  readonly #mixer: ChildProcess;
  readonly #off: Contender;
  readonly #on: Contender;

  private constructor(rig: Rig, mixer: ChildProcess, off: Contender, on: Contender) {
    this.#rig = rig;
    this.#mixer = mixer;
    this.#off = off;
    this.#on = on;
  }
  static async start(name: string, variant: Variant): Promise<ProxyPair> {
    const rig = await startRig();
    const { mixer, port } = await startMixer(rig.folder, variant.mixerYields);
    const { off, on } = await startProxy(name, variant, rig, port);
    const pair = new ProxyPair(rig, mixer, off, on);
    for (const contender of [off, on, off, on]) await warmUp(contender, rig.folder);
    if (variant.checked === true) await checksAreKept(on);
    return pair;
  }
  /** Microseconds of CPU that a request costs more with it. */
  async addedCpuUs(seconds: number): Promise<number> {
    const each = Math.max(0.2, (2 * seconds) / CPU_PAIRS);
    return await this.#compare(
      CPU_PAIRS,
      async (contender) => {
        const before = cpuTimeUs(contender.pid);
        const { requests } = await this.#run(contender, each);
        return (cpuTimeUs(contender.pid) - before) / requests;
      },
      (off, on) => on - off,
    );
  }
  /** By how many percent the p99 at a fixed rate, evenly, is larger with it. */
  async addedP99Percent(): Promise<number> {
    return await this.#compare(
      LATENCY_PAIRS,
      async (contender) => (await this.#run(contender, LATENCY_WINDOW_SECONDS, RATE)).p99Us,
      (off, on) => (on / off - 1) * 100,
    );
  }
  async close(): Promise<void> {
    await this.#on.stop();
    const exit = once(this.#mixer, 'exit');
    this.#mixer.kill('SIGKILL');
    await exit;
    this.#rig.close();
  }
  async #run(contender: Contender, seconds: number, perSecond?: number): Promise<LoadOutcome> {
    const outcome = await runLoad(load, contender.listener, seconds, this.#rig.folder, perSecond, 1);
    if (outcome.failed > 0) throw new Error(`${outcome.failed} requests failed`);
    return outcome;
  }
  async #compare(
    pairs: number,
    measure: (contender: Contender) => Promise<number>,
    difference: (off: number, on: number) => number,
  ): Promise<number> {
    const differences: number[] = [];
    for (let i = 0; i < pairs; i++) {
      const order = i % 2 === 0 ? [this.#off, this.#on] : [this.#on, this.#off];
      const figures = new Map<Contender, number>();
      for (const contender of order) figures.set(contender, await measure(contender));
      differences.push(difference(figures.get(this.#off) ?? Number.NaN, figures.get(this.#on) ?? Number.NaN));
    }
    return summarize(differences).median;
  }
}

/** By requests, not by time: what is measured is compiled code, however busy the machine is. */
async function warmUp({ listener }: Contender, folder: string): Promise<void> {
  for (let requests = 0; requests < WARM_UP_REQUESTS; ) requests += (await runLoad(load, listener, WARM_UP_SECONDS, folder)).requests;
}

/** Trips when the proxy asks Mixer about every request: then this would measure something else. */
async function checksAreKept({ admin }: Contender): Promise<void> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/stats?filter=http_mixer_filter.total`)).text();
  const count = (name: string) => Number(new RegExp(`${name}: (\\d+)`).exec(text)?.[1] ?? 0);
  const [checks, asked] = [count('total_check_calls'), count('total_remote_check_calls')];
  if (asked > Math.max(100, checks / 100)) throw new Error(`the proxy asked Mixer ${asked} times about ${checks} requests`);
}

async function startMixer(folder: string, yields = false): Promise<{ mixer: ChildProcess; port: number }> {
  const [grpc, http, prometheus] = await freePorts(3);
  const directory = join(folder, 'policy');
  mkdirSync(directory);
  writeFileSync(join(directory, 'policy.yaml'), policy);
  const addresses = [
    '--grpc-addr',
    `127.0.0.1:${grpc}`,
    '--http-addr',
    `127.0.0.1:${http}`,
    '--prometheus-addr',
    `127.0.0.1:${prometheus}`,
  ];
  const command = [process.execPath, join(root, 'apps/mixer/bin/xebec-mixer.ts'), '--config-dir', directory, ...addresses];
  const scheduled = yields ? ['--idle', '0'] : ['--other', '0'];
  const mixer = own(spawn('chrt', [...scheduled, 'taskset', '-c', loadCore, ...command], { stdio: 'ignore' }));
  const deadline = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    if (mixer.exitCode !== null || performance.now() > deadline) throw new Error('xebec-mixer is not ready');
    try {
      if ((await fetch(`http://127.0.0.1:${http}/ready`)).ok) return { mixer, port: grpc ?? 0 };
    } catch {
      // Not listening yet.
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

interface Listener {
  name: string;
  address: object;
  traffic_direction?: string;
  filter_chains: { filters: { typed_config: { http_filters: object[]; access_log?: object[] } }[] }[];
}

interface Bootstrap {
  node: { metadata?: object };
  static_resources: { listeners: Listener[]; clusters: object[] };
}

async function startProxy(
  name: string,
  { filters, accessLog }: Variant,
  { folder, backendPort }: Rig,
  mixerPort: number,
): Promise<{ off: Contender; on: Contender }> {
  const [listener = 0, other = 0, admin = 0] = await freePorts(3);
  const parsed: Bootstrap = JSON.parse(bootstrap(shape, { listener, admin, backend: backendPort }));
  parsed.node.metadata = {
    NAME: 'reviews-v1-0',
    NAMESPACE: 'default',
    WORKLOAD_NAME: 'reviews-v1',
    LABELS: { app: 'reviews', version: 'v1' },
  };
  const http2: Bootstrap = JSON.parse(bootstrap({ chain: 'router', upstream: 'http2' }, { listener, admin, backend: mixerPort }));
  parsed.static_resources.clusters.push({ ...http2.static_resources.clusters[0], name: 'mixer' });
  for (const one of parsed.static_resources.listeners) one.traffic_direction = 'INBOUND';
  const second: Bootstrap = JSON.parse(JSON.stringify(parsed));
  for (const one of second.static_resources.listeners) {
    one.name = `${one.name}-on`;
    one.address = { socket_address: { address: '127.0.0.1', port_value: other } };
    for (const { typed_config: manager } of one.filter_chains.flatMap((chain) => chain.filters)) {
      manager.http_filters.splice(-1, 0, ...filters);
      if (accessLog !== true) continue;
      const type = 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog';
      manager.access_log = [{ name: 'file', typed_config: { '@type': type, path: join(folder, `${name}.log`) } }];
    }
  }
  parsed.static_resources.listeners.push(...second.static_resources.listeners);
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(parsed));
  const daemon = [
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
  const child = own(spawn('taskset', ['-c', proxyCore, ...daemon], { stdio: ['ignore', 'pipe', 'pipe'] }));
  const log: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => log.push(String(bytes)));
  const [off, on] = [new Contender('xebec', listener, admin, child, log), new Contender('xebec', other, admin, child, log)];
  await on.ready();
  return { off, on };
}
