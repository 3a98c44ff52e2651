import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort, type RunningProcess, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { bootstrap } from './bootstrap.ts';
import { type Answer, type Exchange, exchange, type Ports } from './exchange.ts';
import { exchanges } from './exchanges.ts';
import { knownDifferences } from './known-differences.ts';
import { type SeenRequest, startUpstreams, type Upstreams } from './upstream.ts';

const ENVOY = requiredPeer('ENVOY');

interface Proxy {
  readonly name: 'envoy' | 'xebec';
  readonly process: RunningProcess;
  readonly ports: Ports;
  readonly logFile: string;
}

/** All that is to be the same. */
interface Observation {
  readonly answers: readonly Answer[];
  readonly seen: readonly SeenRequest[];
  readonly log: readonly unknown[];
}

let directory: string;
let upstreams: Upstreams;
let envoy: Proxy;
let xebec: Proxy;

async function startProxy(name: Proxy['name'], deadPort: number): Promise<Proxy> {
  const adminPort = await freePort();
  const ports: Ports = { http: await freePort(), tcp: await freePort(), 'tcp-dead': await freePort() };
  const file = join(directory, `${name}.json`);
  const logFile = join(directory, `${name}.log`);
  await writeFile(file, JSON.stringify(bootstrap(upstreams, { ...ports, admin: adminPort, dead: deadPort }, logFile)));
  const args = ['-c', file, '--concurrency', '1', '--disable-hot-restart', '--file-flush-interval-msec', '10', '-l', 'warning'];
  const process = name === 'envoy' ? startProcess(ENVOY, args) : startDaemon('proxy', args);
  await eventually(`${name} to listen`, async () => {
    if (process.child.exitCode !== null) throw new Error(process.output());
    const admin = `http://127.0.0.1:${adminPort}`;
    if (!(await (await fetch(`${admin}/ready`)).text()).startsWith('LIVE')) return undefined;
    return true;
  });
  return { name, process, ports, logFile };
}

/** Runs all exchanges; access logs are read once at the end, because proxies write them late. */
async function observeAll(proxy: Proxy): Promise<Map<string, Observation>> {
  const made: { readonly what: Exchange; readonly answers: readonly Answer[]; readonly seen: readonly SeenRequest[] }[] = [];
  let total = 0;
  for (const what of exchanges) {
    upstreams.takeSeen();
    const answers: Answer[] = [];
    for (let i = 0; i < (what.times ?? 1); i++) answers.push(await exchange(proxy.ports, what));
    total += answers.length;
    made.push({ what, answers, seen: upstreams.takeSeen() });
  }
  const lines = await eventually(
    `${proxy.name} to log ${total} requests`,
    () => {
      const found = readFileSync(proxy.logFile, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      return found.length >= total ? found : undefined;
    },
    5000,
  ).catch(() => readFileSync(proxy.logFile, 'utf8').trimEnd().split('\n'));
  const log = lines.map((line): Readonly<Record<string, unknown>> => JSON.parse(line));
  // Of connections and requests without an identifier, logs are compared by their upstream cluster.
  const idOf = (what: Exchange): ((entry: Readonly<Record<string, unknown>>) => boolean) =>
    what.kind === 'tcp'
      ? (entry) => entry['cluster'] === 'tcp'
      : what.kind === 'tcp-dead'
        ? (entry) => entry['cluster'] === 'dead' && entry['method'] === null
        : (entry) => entry['id'] === what.name;
  return new Map(made.map(({ what, answers, seen }) => [what.name, { answers, seen, log: log.filter(idOf(what)) }]));
}

let expectedAll: Map<string, Observation>;
let actualAll: Map<string, Observation>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xebec-differential-'));
  upstreams = await startUpstreams();
  const deadPort = await freePort();
  [envoy, xebec] = await Promise.all([startProxy('envoy', deadPort), startProxy('xebec', deadPort)]);
  expectedAll = await observeAll(envoy);
  actualAll = await observeAll(xebec);
});

afterAll(async () => {
  upstreams?.close();
  await Promise.all([envoy?.process.stop(), xebec?.process.stop()]);
  await rm(directory, { recursive: true, force: true });
});

describe('xebec-proxy does what Envoy does', () => {
  it.each(exchanges)('$name', (what) => {
    const expected = expectedAll.get(what.name);
    const actual = actualAll.get(what.name);
    expect(expected).toBeDefined();
    const known = knownDifferences[what.name];
    if (known === undefined) {
      expect(actual).toEqual(expected);
      return;
    }
    // A difference that is gone must leave the table.
    expect(actual).not.toEqual(expected);
    expect(expected).toMatchObject(known.envoy);
    expect(actual).toMatchObject(known.xebec);
  });

  it('spreads weighted clusters over the same upstreams', async () => {
    const servers = async (proxy: Proxy): Promise<Set<string | undefined>> => {
      const found = new Set<string | undefined>();
      for (let i = 0; i < 24; i++) found.add((await exchange(proxy.ports, { name: 'weighted', path: '/weighted' })).headers['x-server']);
      return found;
    };
    const expected = await servers(envoy);
    expect(expected.size).toBe(2);
    expect(await servers(xebec)).toEqual(expected);
  });

  it('makes a cookie that leads back to the same host', async () => {
    for (const proxy of [envoy, xebec]) {
      const first = await fetch(`http://127.0.0.1:${proxy.ports.http}/ring/cookie`);
      const cookie = first.headers.get('set-cookie') ?? '';
      expect(cookie).toMatch(/^sticky="[^"]+"; Max-Age=60; Path=\/; HttpOnly$/);
      const value = cookie.slice(0, cookie.indexOf(';'));
      for (let i = 0; i < 3; i++) {
        const again = await fetch(`http://127.0.0.1:${proxy.ports.http}/ring/cookie`, { headers: { cookie: value } });
        expect(again.headers.get('set-cookie')).toBeNull();
        expect(again.headers.get('x-server')).toBe(first.headers.get('x-server'));
        await again.text();
      }
      await first.text();
    }
  });
});
