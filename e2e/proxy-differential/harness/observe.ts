import { readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { eventually, requiredPeer, startDaemon, startProcess } from '../../src/daemon-process.ts';
import type { Certificates } from './certificates.ts';
import { exchangeHttp1 } from './client-http1.ts';
import { exchangeHttp2 } from './client-http2.ts';
import { openSocket } from './client-socket.ts';
import { exchangeTcp } from './client-tcp.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, ProxyUnderTest, Site, UpstreamKind } from './family.ts';
import { comparable } from './mask.ts';
import { takePorts } from './ports.ts';
import { startUpstreams, type Upstreams } from './upstreams.ts';

/** Observations by the name of the case; `stats` holds the family's stats. */
export type Observations = ReadonlyMap<string, unknown>;

const standard: Readonly<Record<string, UpstreamKind>> = { a: 'http1', b: 'http1', c: 'http1', d: 'http1', h2: 'http2', tcp: 'tcp' };

/** Runs a family against Envoy and then against ours, with the same upstreams. */
export async function observeFamily(
  family: DifferentialFamily,
  directory: string,
  certificates: Certificates,
): Promise<{ readonly envoy: Observations; readonly xebec: Observations }> {
  const upstreams = await startUpstreams(family.upstreams ?? standard, certificates, family.connections === true);
  const peers = await Promise.all(
    Object.entries(family.peers ?? {}).map(async ([name, start]) => [name, await start(certificates)] as const),
  );
  const others = Object.fromEntries(peers.map(([name, peer]) => [name, peer.port]));
  try {
    const [deadPort = 0] = await takePorts(1);
    const common = { family, upstreams, certificates, deadPort, ports: { ...upstreams.ports, ...others }, logs: new Map<string, number>() };
    const envoy = await observe('envoy', join(directory, `${family.name}-envoy`), common);
    const xebec = await observe('xebec', join(directory, `${family.name}-xebec`), common);
    return { envoy, xebec };
  } finally {
    upstreams.close();
    await Promise.all(peers.map(async ([, peer]) => peer.close()));
  }
}

/** Milliseconds after which a case is named as slow, to find those that wait for nothing. */
const slow = process.env['SLOW'];

interface Common {
  readonly family: DifferentialFamily;
  readonly upstreams: Upstreams;
  readonly certificates: Certificates;
  readonly deadPort: number;
  readonly ports: Readonly<Record<string, number>>;
  /** How many log lines Envoy wrote for a case. */
  readonly logs: Map<string, number>;
}

/** Reads a log file line by line as it grows. */
class LogTail {
  readonly #file: string;
  #taken = 0;
  #size = 0;
  #read: string[] = [];

  constructor(file: string) {
    this.#file = file;
  }

  async take(atLeast: number, deadlineMs: number): Promise<Json[]> {
    const end = Date.now() + deadlineMs;
    let lines = this.#lines();
    while (lines.length < this.#taken + atLeast && Date.now() < end) {
      await wait(5);
      lines = this.#lines();
    }
    const taken = lines.slice(this.#taken);
    this.#taken = lines.length;
    return taken.map((line): Json => JSON.parse(line));
  }

  #lines(): string[] {
    try {
      // Looked at often while it does not grow.
      const { size } = statSync(this.#file);
      if (size === this.#size) return this.#read;
      this.#read = readFileSync(this.#file, 'utf8').split('\n').slice(0, -1);
      this.#size = size;
    } catch {
      this.#read = [];
      this.#size = 0;
    }
    return this.#read;
  }
}

async function observe(name: ProxyUnderTest['name'], directory: string, common: Common): Promise<Observations> {
  const { family, upstreams, certificates, deadPort } = common;
  await mkdir(directory, { recursive: true });
  const logFile = join(directory, 'access.log');
  // Ports must be known when the configuration is written, so they are handed out from a stock.
  const stock = await takePorts(120);
  const listenerPorts = new Map<string, number>();
  const site: Site = {
    port(listener) {
      const port = listenerPorts.get(listener) ?? stock.pop();
      if (port === undefined) throw new Error('a family has at most 120 listeners');
      listenerPorts.set(listener, port);
      return port;
    },
    upstream(upstream) {
      const port = common.ports[upstream];
      if (port === undefined) throw new Error(`there is no upstream or peer ${upstream}`);
      return port;
    },
    deadPort,
    directory,
    logFile,
    certificates,
  };
  const adminPort = stock.pop() ?? 0;
  const file = join(directory, 'bootstrap.json');
  const config = { admin: { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } }, ...family.bootstrap(site) };
  await writeFile(file, JSON.stringify(config, undefined, 1));
  const args = ['-c', file, '--concurrency', '1', '-l', 'warning', '--file-flush-interval-msec', '5', ...(family.args ?? [])];
  const running = name === 'envoy' ? startProcess(requiredPeer('ENVOY'), [...args, '--disable-hot-restart']) : startDaemon('proxy', args);
  try {
    await eventually(`${name} to be ready`, async () => {
      if (running.child.exitCode !== null) return true;
      return (await (await fetch(`http://127.0.0.1:${adminPort}/ready`)).text()).startsWith('LIVE') ? true : undefined;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${running.output()}`);
    });
    if (running.child.exitCode !== null) throw new Error(`${name} does not start: ${running.output()}`);
    const named = [...Object.entries(common.ports), ...listenerPorts, ['admin', adminPort] as const, ['dead', deadPort] as const];
    const names = new Map(named.map(([who, port]) => [String(port), who.toUpperCase()]));
    const tail = new LogTail(logFile);
    const exchange = async (what: Exchange): Promise<unknown> => await runExchange(what, site, adminPort);
    const proxy: ProxyUnderTest = {
      name,
      site,
      adminPort,
      exchange,
      reply: (replies) => upstreams.reply(replies),
      takeSeen: () => upstreams.takeSeen(),
      takeLog: (atLeast) => tail.take(atLeast, 3000),
    };
    const found = new Map<string, unknown>();
    for (const what of family.cases) {
      const began = Date.now();
      const seen = await observeCase(what, proxy, tail, common).catch((error: unknown) => ({ failed: String(error) }));
      if (slow !== undefined && Date.now() - began > Number(slow)) console.log(`${name} took ${Date.now() - began} ms for ${what.name}`);
      found.set(what.name, comparable(seen, names, directory, what));
      if (running.child.exitCode !== null) throw new Error(`${name} ended in case ${what.name}: ${running.output()}`);
    }
    if (family.stats !== undefined) found.set('stats', await readStats(adminPort, family.stats));
    return found;
  } finally {
    await running.stop('SIGKILL');
  }
}

async function observeCase(what: DifferentialCase, proxy: ProxyUnderTest, tail: LogTail, common: Common): Promise<unknown> {
  const { upstreams, logs } = common;
  upstreams.reply(what.replies);
  upstreams.takeSeen();
  if (what.run !== undefined) return { result: await what.run(proxy) };
  const list: readonly Exchange[] = Array.isArray(what.does) ? what.does : [what.does as Exchange];
  const answers: unknown[] = [];
  for (const one of list) answers.push(await proxy.exchange(one));
  const requests = list.reduce((sum, one) => sum + countOf(one), 0);
  // Envoy may write fewer or more than expected; then that is what ours must write.
  const wanted = what.logs ?? logs.get(what.name) ?? requests;
  const log = await tail.take(wanted, 1000);
  if (proxy.name === 'envoy') logs.set(what.name, log.length);
  const kept = log.map((line) => Object.fromEntries(Object.entries(line).filter(([key]) => !(what.ignoreLog ?? []).includes(key))));
  const seen = upstreams.takeSeen();
  if (what.unordered === true) {
    seen.sort((a, b) => (a.upstream + a.line < b.upstream + b.line ? -1 : 1));
    kept.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  }
  return { answers, ...(what.ignoreSeen === true ? {} : { seen }), log: kept };
}

function countOf(what: Exchange): number {
  switch (what.kind) {
    case 'admin':
    case 'pause':
      return 0;
    case 'tcp':
      return 1;
    case 'http2':
      return 1 + (what.more?.length ?? 0);
    default:
      return typeof what.responses === 'number' ? what.responses : (what.responses?.length ?? 1);
  }
}

async function runExchange(what: Exchange, site: Site, adminPort: number): Promise<unknown> {
  if (what.kind === 'pause') return await wait(what.ms);
  if (what.kind === 'admin') {
    const response = await fetch(`http://127.0.0.1:${adminPort}${what.path}`, { method: what.method ?? 'GET' });
    const text = await response.text();
    if (what.select !== undefined) return what.select(text);
    return { status: response.status, type: response.headers.get('content-type'), text };
  }
  const alpn = what.kind === 'http2' ? ['h2'] : undefined;
  const socket = await openSocket(site.port(what.to ?? 'http'), what, site.certificates, alpn);
  if (typeof socket === 'string') return socket;
  if (what.kind === 'http2') return await exchangeHttp2(socket, what);
  return what.kind === 'tcp' ? await exchangeTcp(socket, what) : await exchangeHttp1(socket, what);
}

/** Envoy merges workers' stats on request; a counter of the last stream may come a moment late. */
async function readStats(adminPort: number, wanted: readonly string[]): Promise<Json> {
  await wait(50);
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats`)).text();
  const all = new Map(text.split('\n').map((line) => [line.slice(0, line.lastIndexOf(': ')), line.slice(line.lastIndexOf(': ') + 2)]));
  return Object.fromEntries(wanted.map((name) => [name, all.get(name) ?? 'absent']));
}
