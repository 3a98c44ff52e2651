import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort, requiredPeer, startDaemon, startProcess } from '../src/daemon-process.ts';
import { adsBootstrap, meshConfig, meshObjects, mixerObjects } from './mesh-files.ts';

const cleanups: (() => unknown)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => server.close());
  return (server.address() as AddressInfo).port; // a TCP server that listens has an address
}

/** Pilot sends an Envoy that lacks Mixer's client the filters and loggers of its own that come nearest. */
describe('a stock Envoy of a mesh with Mixer', () => {
  const ports = { http: 0, tcp: 0, prometheus: 0, admin: 0 };
  let mixer: ReturnType<typeof startDaemon>;

  beforeAll(async () => {
    const http = createHttpServer((_, response) => response.end('shop'));
    cleanups.push(() => http.closeAllConnections());
    const backends = {
      http: await listening(http),
      tcp: await listening(createServer((socket) => socket.once('data', () => socket.end('bytes')))),
    };
    const directory = await mkdtemp(join(tmpdir(), 'xebec-mixer-mesh-'));
    cleanups.push(() => rm(directory, { recursive: true, force: true }));
    const [mixerGrpc, mixerHttp, pilotGrpc, pilotHttp] = [await freePort(), await freePort(), await freePort(), await freePort()];
    for (const name of ['http', 'tcp', 'prometheus', 'admin'] as const) ports[name] = await freePort();
    await writeFile(join(directory, 'objects.yaml'), meshObjects({ mixer: mixerGrpc, listeners: ports, backends }));
    await writeFile(join(directory, 'policy.yaml'), mixerObjects());
    const mesh = `${directory}.yaml`;
    await writeFile(mesh, meshConfig());
    cleanups.push(() => rm(mesh, { force: true }));

    mixer = startDaemon('mixer', [
      ...['--config-dir', directory, '--grpc-addr', `127.0.0.1:${mixerGrpc}`],
      ...['--http-addr', `127.0.0.1:${mixerHttp}`, '--prometheus-addr', `127.0.0.1:${ports.prometheus}`],
    ]);
    cleanups.push(() => mixer.stop());
    const pilot = startDaemon('pilot', [
      ...['--mesh-config', mesh, '--config-dir', directory, '--registries='],
      ...['--grpc-addr', `127.0.0.1:${pilotGrpc}`, '--http-addr', `127.0.0.1:${pilotHttp}`],
    ]);
    cleanups.push(() => pilot.stop());
    const answers = async (url: string) => ((await fetch(url)).ok ? true : undefined);
    await eventually('Mixer is ready', () => answers(`http://127.0.0.1:${mixerHttp}/ready`), 60_000);
    await eventually('pilot is ready', () => answers(`http://127.0.0.1:${pilotHttp}/readyz`), 60_000);
    const text = adsBootstrap(pilotGrpc, ports.admin);
    const envoy = startProcess(requiredPeer('ENVOY'), ['--config-yaml', text, '--use-dynamic-base-id', '-l', 'warning']);
    cleanups.push(() => envoy.stop());
    await eventually('the proxy serves', () => answers(`http://127.0.0.1:${ports.http}/`), 60_000).catch((cause) => {
      throw new Error(`${envoy.output()}\n${pilot.output()}\n${mixer.output()}`, { cause });
    });
  });

  const ask = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${ports.http}${path}`);
    return [response.status, await response.text()];
  };
  const bytes = () =>
    new Promise<string>((resolve) => {
      let text = '';
      const socket = connect(ports.tcp, '127.0.0.1', () => socket.write('hello'));
      // A connection that is refused may end in a reset: what came before it is the answer all the same.
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        text += chunk.toString();
      });
      socket.on('close', () => resolve(text));
    });
  const series = async (name: string, ...labels: string[]) => {
    const lines = (await (await fetch(`http://127.0.0.1:${ports.prometheus}/metrics`)).text()).split('\n');
    const line = lines.find((candidate) => candidate.startsWith(`${name}{`) && labels.every((label) => candidate.includes(label)));
    return line === undefined ? undefined : Number(line.split(' ').at(-1));
  };

  it('takes all that pilot sends it', async () => {
    const stats = await (await fetch(`http://127.0.0.1:${ports.admin}/stats?filter=update_rejected`)).text();
    expect(stats.split('\n').filter((line) => line !== '' && !line.endsWith(': 0'))).toEqual([]);
  });
  it('lets Mixer refuse by the service that is called, the workload that serves, and the path', async () => {
    expect(await ask('/open')).toEqual([200, 'shop']);
    expect(await ask('/closed')).toEqual([403, 'PERMISSION_DENIED:closed.istio-system:closed']);
  });
  it('takes quotas that bindings name for the service', async () => {
    const statuses: unknown[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask('/charged'))[0]);
    expect(statuses).toEqual([200, 200, 429, 429]);
  });
  it('is counted by the Prometheus adapter, refusals too', async () => {
    const labels = ['service="shop.default.svc.cluster.local"', 'workload="shop-v1"', 'reporter="inbound"'];
    const passed = await eventually('requests are counted', () => series('istio_seen', ...labels, 'code="200"', 'path="/open"'));
    const refused = await eventually('refusals are counted', () => series('istio_seen', ...labels, 'code="403"', 'path="/closed"')).catch(
      async (cause) => {
        throw new Error(await (await fetch(`http://127.0.0.1:${ports.prometheus}/metrics`)).text(), { cause });
      },
    );
    expect([passed, refused]).toEqual([1, 1]);
  });
  it('lets Mixer refuse connections, and counts them', async () => {
    expect(await bytes()).toBe('');
    const closed = await eventually('connections are counted', () => series('istio_connections', 'workload="shop-v1"'));
    expect(closed).toBeGreaterThan(0);
  });
  it('fails closed, as the mesh says, when Mixer is away', async () => {
    await mixer.stop();
    expect((await ask('/open'))[0]).toBe(503);
    expect(await bytes()).toBe('');
  });
});
