import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, freePort, type RunningProcess, startProcess } from '../src/daemon-process.ts';
import { startLoad } from './load.ts';
import type { Observation, Order } from './two-workers.ts';

const kills = 10;
const clients = 16;
const type = (name: string): string => `type.googleapis.com/envoy.extensions.filters.${name}`;

let directory: string;
let upstream: RunningProcess;
let proxy: ChildProcess;

function bootstrap(port: number): object {
  const manager = {
    '@type': type('network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: 'test',
    http_filters: [{ name: 'router', typed_config: { '@type': type('http.router.v3.Router') } }],
    route_config: {
      name: 'r',
      // The number of a connection tells its worker.
      response_headers_to_add: [{ header: { key: 'x-connection', value: '%CONNECTION_ID%' } }],
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] }],
    },
  };
  const address = (value: number) => ({ socket_address: { address: '127.0.0.1', port_value: value } });
  return {
    static_resources: {
      listeners: [{ name: 'main', address: address(0), filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }] }],
      clusters: [
        {
          name: 'app',
          load_assignment: { cluster_name: 'app', endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
        },
      ],
    },
  };
}

async function ask(order: Order): Promise<Observation> {
  const answer = new Promise<Observation>((resolve) => proxy.once('message', (message) => resolve(message as Observation)));
  proxy.send(order);
  return await answer;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xebec-chaos-workers-'));
  const port = await freePort();
  upstream = startProcess(process.execPath, [join(import.meta.dirname, 'upstream.ts'), String(port), 'a']);
  await eventually('the upstream', () => (upstream.output().includes('listening') ? true : undefined));
  const file = join(directory, 'bootstrap.json');
  await writeFile(file, JSON.stringify(bootstrap(port)));
  proxy = fork(join(import.meta.dirname, 'two-workers.ts'), [file], { execArgv: process.execArgv });
  await new Promise((resolve) => proxy.once('message', resolve));
});

afterAll(async () => {
  proxy?.kill('SIGKILL');
  await upstream?.stop('SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** One connection with a request under way all the time; remembers which worker it was at and what failed. */
class Client {
  worker = -1;
  ok = 0;
  readonly failedAt: number[] = [];
  #stopped = false;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly ended: Promise<void>;

  constructor(port: number) {
    this.ended = this.#run(port);
  }
  async #run(port: number): Promise<void> {
    while (!this.#stopped) {
      const connection = await this.#once(port);
      if (connection === undefined) this.failedAt.push(this.worker);
      else {
        this.worker = connection % 2;
        this.ok++;
      }
    }
    this.#agent.destroy();
  }
  #once(port: number): Promise<number | undefined> {
    return new Promise((resolve) => {
      const call = request({ host: '127.0.0.1', port, path: '/', agent: this.#agent, timeout: 10_000 }, (response) => {
        response.resume();
        response.once('error', () => resolve(undefined));
        response.once('end', () => resolve(response.statusCode === 200 ? Number(response.headers['x-connection']) : undefined));
      });
      call.once('timeout', () => call.destroy());
      call.once('error', () => resolve(undefined));
      call.end();
    });
  }
  stop(): Promise<void> {
    this.#stopped = true;
    return this.ended;
  }
}

it('a worker killed: only its own requests in flight fail, connections that come meanwhile are served, numbers and memory hold', async () => {
  const first = await ask({ kind: 'observe' });
  const held = Array.from({ length: clients }, () => new Client(first.port));
  const fresh = startLoad({ name: 'fresh', port: first.port, path: '/', clients: 4, pauseMs: 5, freshConnections: true });
  const served = (): number => held.reduce((sum, { ok }) => sum + ok, fresh.counts.ok);
  const rss: number[] = [];
  let requests = 0;
  try {
    for (let kill = 0; kill < kills; kill++) {
      await eventually('both workers to have connections', () =>
        new Set(held.map(({ worker }) => worker)).has(kill % 2) && held.every(({ ok }) => ok > 0) ? true : undefined,
      );
      const victim = kill % 2;
      for (const client of held) client.failedAt.length = 0;
      fresh.failures.length = 0;
      const before = served();
      const freshBefore = fresh.counts.ok;
      const seen = await ask({ kind: 'terminate', worker: victim });
      expect(seen.requests).toBeGreaterThanOrEqual(requests);
      requests = seen.requests;
      await eventually('its successor', async () => {
        const now = await ask({ kind: 'observe' });
        return now.restarts === kill + 1 && fresh.counts.ok > freshBefore + 50 && served() > before + 500 ? true : undefined;
      });
      for (const { failedAt } of held) {
        // What failed was on the victim, and no connection failed twice.
        expect(failedAt.every((worker) => worker === victim)).toBe(true);
        expect(failedAt.length).toBeLessThanOrEqual(1);
      }
      // Each of these may have been on the victim, once.
      expect(fresh.failures.length).toBeLessThanOrEqual(4);
      rss.push((await ask({ kind: 'observe' })).rssBytes / 1e6);
    }
  } finally {
    await Promise.all([...held.map((client) => client.stop()), fresh.stop()]);
  }
  const last = await eventually('connections to end', async () => {
    const now = await ask({ kind: 'observe' });
    return now.connections === 0 ? now : undefined;
  });
  // What the dead had counted is counted still; a request that died with its worker may be missing.
  expect(last.requests).toBeGreaterThanOrEqual(served());
  expect(last.restarts).toBe(kills);
  console.log(`resident after each kill, MB: ${rss.map((mb) => mb.toFixed(0)).join(' ')}`);
  const average = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  expect(average(rss.slice(-3))).toBeLessThan(1.25 * average(rss.slice(1, 4)));
}, 180_000);
