import { X509Certificate } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createHttpsServer, type Server as HttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AttackerIdentity, callTls } from '../attacks/callers.ts';
import { Forger } from '../attacks/forged-certificates.ts';
import { withoutGuards } from '../attacks/guards.ts';
import { type Kind, type MeshProxy, startClientSide, startServerSide } from '../identity-rotation/proxies.ts';
import { eventually } from '../src/daemon-process.ts';
import { Mesh } from './mesh.ts';

/** What a workload sees within this time after the command has answered counts as "within seconds". */
const SECONDS_MS = 5_000;
const KINDS: readonly Kind[] = ['xebec', 'envoy'];
const idOf = (account: string) => `spiffe://cluster.local/ns/default/sa/${account}`;
const GET = 'GET / HTTP/1.1\r\nHost: server\r\n\r\n';
const portOf = (server: Server | HttpsServer) => (server.address() as AddressInfo).port;
const serialOf = ({ cert }: AttackerIdentity) => new X509Certificate(cert).serialNumber;

/** A client and a server, each with a proxy of each kind, and a server that a thief runs. */
class Scene {
  readonly mesh = new Mesh();
  readonly #app = createServer((_request, response) => void response.end('come in'));
  readonly #thief = createHttpsServer((_request, response) => void response.end('come in'));
  readonly #proxies: MeshProxy[] = [];
  readonly #doors = new Map<Kind, MeshProxy>();
  readonly #exits = new Map<Kind, { readonly toServer: MeshProxy; readonly toThief: MeshProxy }>();

  async start(): Promise<void> {
    const { mesh } = this;
    await mesh.start();
    for (const account of ['client', 'server']) await mesh.addAgent(account);
    this.showAsServer(await mesh.identity('server'));
    for (const server of [this.#app, this.#thief]) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    for (const kind of KINDS) {
      const site = (account: string, peer: string, upstream: number) => ({
        kind,
        name: `${kind} of ${account}`,
        directory: join(mesh.directory, account),
        peer: idOf(peer),
        upstream,
      });
      const door = await startServerSide(site('server', 'client', portOf(this.#app)));
      const toServer = await startClientSide(site('client', 'server', door.port));
      const toThief = await startClientSide(site('client', 'server', portOf(this.#thief)));
      this.#doors.set(kind, door);
      this.#exits.set(kind, { toServer, toThief });
      this.#proxies.push(door, toServer, toThief);
      await eventually(`${kind} to serve`, async () => ((await this.through(kind)) === 200 ? true : undefined));
    }
  }
  doorOf(kind: Kind): number {
    return this.#doors.get(kind)?.port ?? 0;
  }
  /** Whether the server's proxy takes who shows this. */
  async comesIn(kind: Kind, identity: AttackerIdentity): Promise<boolean> {
    return (await callTls('127.0.0.1', this.doorOf(kind), identity, GET)).includes('come in');
  }
  /** What the client's application gets from the server, or from who runs in its place, over a connection of its own. */
  async through(kind: Kind, upstream: 'toServer' | 'toThief' = 'toServer'): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.#exits.get(kind)?.[upstream].port ?? 0}/fresh`);
    await response.arrayBuffer();
    return response.status;
  }
  showAsServer(identity: AttackerIdentity): void {
    this.#thief.setSecureContext(identity);
  }
  async refuses(what: string, probe: () => Promise<boolean>): Promise<void> {
    await eventually(what, async () => ((await probe()) ? undefined : true), SECONDS_MS);
  }
  /** Everybody who has a certificate that is not revoked goes on as before. */
  async expectTheRestToWork(): Promise<void> {
    const good = await this.mesh.identity('client');
    for (const kind of KINDS)
      expect([kind, await this.comesIn(kind, good), await this.through(kind), await this.through(kind)]).toEqual([kind, true, 200, 200]);
  }
  async close(): Promise<void> {
    for (const proxy of this.#proxies) await proxy.close();
    for (const server of [this.#app, this.#thief]) {
      server.closeAllConnections();
      server.close();
    }
    await this.mesh.close();
  }
}

/** A connection that stays open, and what a later one may resume. */
class KeptConnection {
  readonly #socket: TLSSocket;
  #session: Buffer | undefined;
  #text = '';
  closed = false;

  constructor(port: number, identity: AttackerIdentity) {
    this.#socket = connect({ host: '127.0.0.1', port, ...identity, rejectUnauthorized: false });
    this.#socket.on('data', (chunk: Buffer) => (this.#text += chunk.toString('latin1')));
    this.#socket.on('session', (session) => (this.#session = session));
    for (const event of ['error', 'close']) this.#socket.on(event, () => (this.closed = true));
  }
  async ask(): Promise<boolean> {
    this.#text = '';
    this.#socket.write(GET);
    return await eventually('an answer', () => (this.closed ? false : this.#text.includes('come in') ? true : undefined));
  }
  async session(): Promise<Buffer> {
    return await eventually('a session ticket', () => this.#session);
  }
  close(): void {
    this.#socket.destroy();
  }
}

describe('a certificate that is revoked', () => {
  const scene = new Scene();
  beforeAll(() => scene.start(), 120_000);
  afterAll(() => scene.close());

  it('opens no door any more within seconds, nor does a session of before; what is open stays open', async () => {
    const [stolen, other] = [await scene.mesh.identity('client'), await scene.mesh.identity('client')];
    const kept = KINDS.map((kind) => new KeptConnection(scene.doorOf(kind), stolen));
    for (const each of kept) expect(await each.ask()).toBe(true);
    expect(await scene.mesh.ca('revoke', serialOf(stolen))).toMatchObject({ code: 0 });
    for (const [index, kind] of KINDS.entries()) {
      await scene.refuses(`${kind} to refuse it`, () => scene.comesIn(kind, stolen));
      expect(await scene.comesIn(kind, other)).toBe(true);
      const session = await kept[index]?.session();
      const resumed = await callTls('127.0.0.1', scene.doorOf(kind), stolen, GET, session === undefined ? {} : { session });
      expect([kind, resumed]).toEqual([kind, '']);
    }
    // As with Envoy: a connection was judged when it began.
    for (const each of kept) {
      expect(await each.ask()).toBe(true);
      each.close();
    }
    await scene.expectTheRestToWork();
  });

  it('is no server any more within seconds', async () => {
    const stolen = await scene.mesh.identity('server');
    scene.showAsServer(stolen);
    for (const kind of KINDS) expect([kind, await scene.through(kind, 'toThief')]).toEqual([kind, 200]);
    expect(await scene.mesh.ca('revoke', serialOf(stolen))).toMatchObject({ code: 0 });
    for (const kind of KINDS)
      await scene.refuses(`${kind} to refuse the server`, async () => (await scene.through(kind, 'toThief')) === 200);
    scene.showAsServer(await scene.mesh.identity('server'));
    for (const kind of KINDS) expect([kind, await scene.through(kind, 'toThief')]).toEqual([kind, 200]);
    await scene.expectTheRestToWork();
  });

  it('is all that an identity had, and the workload itself goes on with another at once', async () => {
    const agent = scene.mesh.agents.get('client');
    const current = agent?.certificates.current();
    if (agent === undefined || current === undefined) throw new Error('the client has no certificate');
    const own = { key: current.privateKeyPem, cert: current.certificateChainPem };
    const stolen = await scene.mesh.identity('client');
    expect(await scene.mesh.ca('revoke', idOf('client'))).toMatchObject({ code: 0 });
    for (const kind of KINDS)
      for (const each of [own, stolen]) await scene.refuses(`${kind} to refuse them`, () => scene.comesIn(kind, each));
    await expect.poll(() => agent.certificates.current()?.serialNumber, { timeout: SECONDS_MS }).not.toBe(current.serialNumber);
    for (const kind of KINDS)
      await eventually(`${kind} to have the new one`, async () => ((await scene.through(kind)) === 200 ? true : undefined), SECONDS_MS);
    await scene.expectTheRestToWork();
  });
});

describe('a Citadel that sends no lists', () => {
  const scene = new Scene();
  beforeAll(() => {
    const file = 'apps/citadel/src/trust-service/trust-service.ts';
    const guard = { file, find: 'crls: crlsOf(view.bundle.crlPem),', replace: 'crls: [],' };
    scene.mesh.environment = withoutGuards([guard]);
    return scene.start();
  }, 120_000);
  afterAll(() => scene.close());

  it('leaves every door open for who stole a certificate', async () => {
    const [caller, server] = [await scene.mesh.identity('client'), await scene.mesh.identity('server')];
    scene.showAsServer(server);
    for (const stolen of [caller, server]) expect(await scene.mesh.ca('revoke', serialOf(stolen))).toMatchObject({ code: 0 });
    const { bundleVersion } = scene.mesh.status();
    for (const { certificates } of scene.mesh.agents.values())
      await expect.poll(() => Number(certificates.trust.current()?.bundleVersion), { timeout: SECONDS_MS }).toBe(bundleVersion);
    for (const kind of KINDS)
      expect([kind, await scene.comesIn(kind, caller), await scene.through(kind, 'toThief')]).toEqual([kind, true, 200]);
  });
});

describe('a list that comes with a plugged-in CA, as ca-crl.pem', () => {
  const scene = new Scene();
  let forger: Forger;
  const plugIn = (name: string, text: string) => writeFileSync(join(scene.mesh.caDirectory, name), text, { mode: 0o600 });
  beforeAll(() => {
    mkdirSync(scene.mesh.caDirectory, { recursive: true });
    forger = new Forger(scene.mesh.directory);
    forger.authority('root');
    plugIn('ca-key.pem', forger.read('root.key'));
    for (const name of ['ca-cert.pem', 'root-cert.pem']) plugIn(name, forger.read('root.pem'));
    return scene.start();
  }, 120_000);
  afterAll(() => scene.close());

  it('closes the doors as well', async () => {
    const stolen = await scene.mesh.identity('client');
    const server = await scene.mesh.identity('server');
    scene.showAsServer(server);
    for (const kind of KINDS) expect([await scene.comesIn(kind, stolen), await scene.through(kind, 'toThief')]).toEqual([true, 200]);
    for (const [name, { cert }] of Object.entries({ caller: stolen, thief: server })) writeFileSync(forger.path(`${name}.pem`), cert);
    forger.revoke('root', ['caller', 'thief']);
    plugIn('ca-crl.pem', forger.read('crl.pem'));
    // Citadel takes it up once it was the same in two looks.
    await eventually('the list to be sent', () => (scene.mesh.status().bundleVersion > 1 ? true : undefined));
    for (const kind of KINDS) {
      await scene.refuses(`${kind} to refuse the caller`, () => scene.comesIn(kind, stolen));
      await scene.refuses(`${kind} to refuse the server`, async () => (await scene.through(kind, 'toThief')) === 200);
    }
    await scene.expectTheRestToWork();
  });
});
