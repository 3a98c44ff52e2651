import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom } from '@xebec/core';
import { afterEach, expect, it } from 'vitest';
import { eventually, freePort, type RunningProcess, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { adsBootstrap } from './bootstrap.ts';
import { RandomMesh } from './random-mesh.ts';

const ENVOY = requiredPeer('ENVOY');
/** The promise is about 1,000; a shorter run says less in less time. */
const CHANGES = Number(process.env['XEBEC_CHURN_CHANGES'] ?? 100);
const SEED = Number(process.env['XEBEC_CHURN_SEED'] ?? 1);
/** Requests that each proxy has on the way at the same time. */
const CALLERS = 4;

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startBackend(): Promise<number> {
  const server = createServer((_request, response) => response.end('ok'));
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(
    () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(resolve);
      }),
  );
  return (server.address() as AddressInfo).port;
}

interface Proxy {
  readonly name: string;
  readonly process: RunningProcess;
  readonly gatewayPort: number;
  readonly adminPort: number;
}

/** Calls the gateway without pause until told to stop; keeps what went wrong. */
function startLoad(port: number, path: () => string, onFailure: (text: string) => void) {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  let running = true;
  let count = 0;
  const call = (): Promise<void> =>
    new Promise((resolve) => {
      const url = path();
      const outgoing = request({ host: '127.0.0.1', port, path: url, agent }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => {
          if (response.statusCode !== 200) onFailure(`${url}: ${response.statusCode} ${body}`);
          resolve();
        });
      });
      outgoing.on('error', (error) => {
        onFailure(`${url}: ${error.message}`);
        resolve();
      });
      outgoing.end();
    });
  const loops = Array.from({ length: CALLERS }, async () => {
    while (running) {
      await call();
      count++;
    }
  });
  return {
    count: () => count,
    stop: async () => {
      running = false;
      await Promise.all(loops);
      agent.destroy();
    },
  };
}

it(
  `no request fails while ${CHANGES} random changes reach stock Envoys and our proxy (seed ${SEED})`,
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'xebec-churn-'));
    cleanups.push(() => rm(directory, { recursive: true, force: true }));
    const state = await mkdtemp(join(tmpdir(), 'xebec-churn-'));
    cleanups.push(() => rm(state, { recursive: true, force: true }));
    const ports = await Promise.all(Array.from({ length: 8 }, startBackend));
    const random = seededRandom(SEED);
    const mesh = new RandomMesh(random, ports);
    const gatewayPorts = { 'envoy sotw': await freePort(), 'envoy delta': await freePort(), 'xebec delta': await freePort() };
    const write = async () => {
      // Each proxy has its own gateway port: they share this machine.
      const gateways = Object.entries(gatewayPorts).map(([name, port]) => gatewayFor(name, port));
      const text = [...gateways, mesh.yaml(Object.keys(gatewayPorts).map(slug))].join('---\n');
      await writeFile(join(directory, '.mesh.yaml'), text);
      await rename(join(directory, '.mesh.yaml'), join(directory, 'mesh.yaml'));
    };
    await write();
    const [grpcPort, httpPort] = [await freePort(), await freePort()];
    const addresses = ['--grpc-addr', `127.0.0.1:${grpcPort}`, '--http-addr', `127.0.0.1:${httpPort}`];
    const pilot = startDaemon('pilot', ['--config-dir', directory, '--registries=', ...addresses]);
    cleanups.push(() => pilot.stop());
    await eventually('pilot to be ready', async () => ((await fetch(`http://127.0.0.1:${httpPort}/readyz`)).ok ? true : undefined)).catch(
      (cause) => {
        throw new Error(pilot.output(), { cause });
      },
    );

    const proxies: Proxy[] = [];
    for (const [name, gatewayPort] of Object.entries(gatewayPorts)) {
      const adminPort = await freePort();
      const variant = name.endsWith('sotw') ? 'GRPC' : 'DELTA_GRPC';
      const bootstrap = adsBootstrap({ name: slug(name), grpcPort, adminPort, variant });
      const file = join(state, `${slug(name)}.json`);
      await writeFile(file, bootstrap);
      const process = name.startsWith('envoy')
        ? startProcess(ENVOY, ['-c', file, '--use-dynamic-base-id', '-l', 'warning'], { cwd: state })
        : startDaemon('proxy', ['-c', file]);
      cleanups.push(() => process.stop());
      proxies.push({ name, process, gatewayPort, adminPort });
    }
    for (const { name, gatewayPort, process } of proxies)
      await eventually(`the gateway of ${name}`, async () =>
        (await fetch(`http://127.0.0.1:${gatewayPort}/`)).ok ? true : undefined,
      ).catch((cause) => {
        throw new Error(`${process.output()}\n${pilot.output()}`, { cause });
      });

    const failures: string[] = [];
    let latest = 'start';
    const loads = proxies.map(({ name, gatewayPort }) =>
      startLoad(
        gatewayPort,
        () => mesh.path(),
        (text) => failures.push(`${name}, after "${latest}": ${text}`),
      ),
    );
    cleanups.push(() => Promise.all(loads.map((load) => load.stop())));
    const settled = async () => {
      const list = (await (await fetch(`http://127.0.0.1:${httpPort}/debug/objectz?wait=10s`)).json()) as { state: string }[];
      return list.every(({ state }) => state === 'live') ? true : undefined;
    };
    for (let change = 0; change < CHANGES && failures.length === 0; change++) {
      latest = mesh.change();
      const before = loads.map((load) => load.count());
      await write();
      // Some changes follow when all proxies have the last one, some while it is on its way.
      if (random.next() < 0.3) await eventually('all proxies to have it', settled);
      else {
        const pause = Math.floor(random.next() * 30);
        await eventually(
          'requests in between',
          () => loads.every((load, index) => load.count() >= (before[index] ?? 0) + pause) || undefined,
        );
      }
    }
    await eventually('all proxies to have everything', settled);
    await Promise.all(loads.map((load) => load.stop()));
    expect(
      failures,
      pilot
        .output()
        .split('\n')
        .filter((line) => line.includes('has not answered') || line.includes('ACK ERROR'))
        .join('\n'),
    ).toEqual([]);
    for (const { name, adminPort } of proxies) {
      const text = await (await fetch(`http://127.0.0.1:${adminPort}/stats?filter=update_rejected`)).text();
      const rejected = text.split('\n').filter((line) => line !== '' && !line.endsWith(': 0'));
      expect(rejected, name).toEqual([]);
    }
    console.log(`${CHANGES} changes, ${loads.map((load, index) => `${load.count()} requests through ${proxies[index]?.name}`).join(', ')}`);
  },
  60_000 + CHANGES * 1_000,
);

function slug(name: string): string {
  return name.replaceAll(' ', '-');
}

function gatewayFor(name: string, port: number): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: ${slug(name)}, namespace: default}
spec:
  selector: {proxy: ${slug(name)}}
  servers:
  - {port: {number: ${port}, name: http, protocol: HTTP}, hosts: ["*"]}
`;
}
