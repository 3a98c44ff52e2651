import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Mesh } from '../root-rotation/mesh.ts';
import { eventually } from '../src/daemon-process.ts';
import { type OpenLoop, startOpenLoop } from './open-loop.ts';
import { type Kind, type MeshProxy, startClientSide, startServerSide } from './proxies.ts';

/** How long leaf certificates are rotated each second; the rest of the run follows from it. */
const seconds = Number(process.env['XEBEC_ROTATION_SECONDS'] ?? '10');
const downSeconds = Math.max(4, seconds / 3);

/** A certificate lives for a minute and is replaced when 59 seconds are left: it outlives the CA's death. */
const EACH_SECOND = { SECRET_TTL: '60s', SECRET_GRACE_PERIOD_RATIO: '0.98334', SECRET_GRACE_PERIOD_RATIO_JITTER: '0.001' };

interface Leg {
  readonly client: Kind;
  readonly server: Kind;
  readonly perSecond: number;
}
const legs: readonly Leg[] = [
  { client: 'xebec', server: 'xebec', perSecond: 1000 },
  { client: 'envoy', server: 'xebec', perSecond: 100 },
  { client: 'xebec', server: 'envoy', perSecond: 100 },
];
/** One request in so many goes over a mutual TLS connection of its own, with the certificates of that moment. */
const FRESH = 20;

const mesh = new Mesh();
const proxies: MeshProxy[] = [];
const loads: OpenLoop[] = [];
let app: Server;
const appConnections = { opened: 0, brokenInFlight: 0 };

const idOf = (account: string) => `spiffe://cluster.local/ns/default/sa/${account}`;

beforeAll(async () => {
  app = createServer((request, response) => {
    const hash = /Hash=([0-9a-f]+)/.exec(String(request.headers['x-forwarded-client-cert'] ?? ''))?.[1] ?? 'none';
    response.once('close', () => {
      if (!response.writableFinished) appConnections.brokenInFlight++;
    });
    response.writeHead(200, { 'content-length': 2, 'x-peer': hash }).end('ok');
  });
  app.keepAliveTimeout = 0;
  app.on('connection', () => appConnections.opened++);
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const address = app.address();
  const appPort = typeof address === 'object' && address !== null ? address.port : 0;
  await mesh.start();
  for (const account of ['client', 'server']) await mesh.addAgent(account, EACH_SECOND);
  const fronts: number[] = [];
  const directory = (account: string) => join(mesh.directory, account);
  for (const { client, server } of legs) {
    const back = await startServerSide({
      kind: server,
      name: `server ${server}`,
      directory: directory('server'),
      peer: idOf('client'),
      upstream: appPort,
    });
    const front = await startClientSide({
      kind: client,
      name: `client ${client}`,
      directory: directory('client'),
      peer: idOf('server'),
      upstream: back.port,
    });
    proxies.push(back, front);
    fronts.push(front.port);
  }
  const path = (index: number) => (index % FRESH === 0 ? '/fresh' : '/');
  for (const [index, { client, server, perSecond }] of legs.entries())
    loads.push(startOpenLoop({ name: `${client} to ${server}`, port: fronts[index] ?? 0, perSecond, path }));
  await eventually('answers on every leg', () => (loads.every((load) => load.answered() > 20) ? true : undefined));
}, 120_000);

afterAll(async () => {
  await Promise.all(loads.map((load) => load.stop()));
  for (const proxy of proxies) await proxy.close();
  await mesh.close();
  app.closeAllConnections();
  app.close();
});

const rotations = () => [...mesh.agents.values()].map(({ certificates }) => certificates.statistics().rotations);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Nothing failed and nothing broke so far, as the clients, the application and both proxies count it. */
async function expectUnbroken(): Promise<void> {
  expect(loads.map(({ name, failures }) => ({ name, failures: failures.slice(0, 5) }))).toEqual(
    loads.map(({ name }) => ({ name, failures: [] })),
  );
  for (const { connections } of loads) expect(connections).toMatchObject({ closedByPeer: 0, brokenInFlight: 0 });
  expect(appConnections.brokenInFlight).toBe(0);
  for (const proxy of proxies) {
    for (const suffix of [
      'destroy_with_active_rq',
      'cx_connect_fail',
      'ssl.connection_error',
      'ssl.fail_verify_error',
      'ssl.fail_verify_san',
    ])
      expect([proxy.name, suffix, await proxy.stat(suffix)]).toEqual([proxy.name, suffix, 0]);
  }
}

it(
  `${seconds} s of new leaf certificates each second, a new root, and ${downSeconds} s without a CA: nothing fails, nothing breaks`,
  async () => {
    const kept = () => Promise.all(proxies.map((proxy) => proxy.stat('cluster.kept.upstream_cx_destroy')));
    const before = { peers: loads.map(({ peers }) => peers.size), rotations: rotations(), root: mesh.status().signer.root };
    await pause(seconds * 1000);
    await expectUnbroken();
    for (const [index, count] of rotations().entries())
      expect(count - (before.rotations[index] ?? 0)).toBeGreaterThanOrEqual(seconds * 0.8);
    for (const [index, { name, peers }] of loads.entries())
      expect([name, peers.size - (before.peers[index] ?? 0) >= seconds * 0.7]).toEqual([name, true]);

    expect((await mesh.ca('rotate')).code).toBe(0);
    const after = await mesh.until(
      'the end of the rotation',
      ({ phase, signer }) => phase === 'steady' && signer.root !== before.root,
      60_000,
    );
    expect(after.bundle).toHaveLength(1);
    await expectUnbroken();

    await mesh.kill();
    const dead = rotations();
    await pause(downSeconds * 1000);
    await expectUnbroken();
    for (const [index, count] of rotations().entries()) expect(count - (dead[index] ?? 0)).toBeLessThanOrEqual(1);
    await mesh.startCitadel();
    await eventually('certificates from the CA that came back', () =>
      rotations().every((count, index) => count > (dead[index] ?? 0) + 1) ? true : undefined,
    );
    await Promise.all(loads.map((load) => load.stop()));
    await expectUnbroken();
    // Connections outlive the certificates that they began with, both roots, and the CA.
    expect(await kept()).toEqual(proxies.map(() => 0));
    const line = loads.map(
      (load) => `${load.name} ${load.answered()} answers, ${load.peers.size} certificates, slowest ${load.slowestMs().toFixed(0)} ms`,
    );
    process.stderr.write(`identity rotation: ${line.join('; ')}\n`);
  },
  (seconds + downSeconds) * 1000 + 150_000,
);
