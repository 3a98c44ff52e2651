import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort, type RunningProcess } from '../src/daemon-process.ts';
import { KubernetesMesh } from './kubernetes-mesh.ts';
import { Mesh } from './mesh.ts';

/** What a Service does: each connection goes to the next Citadel that is there. */
async function serveBoth(ports: readonly number[]): Promise<Server> {
  let turn = 0;
  const forward = (socket: Socket, left: number) => {
    const backend = connect(ports[turn++ % ports.length] ?? 0, '127.0.0.1');
    backend.once('connect', () => socket.pipe(backend).pipe(socket));
    backend.on('error', () => (backend.connecting && left > 0 ? forward(socket, left - 1) : socket.destroy()));
    backend.on('close', () => (backend.bytesRead > 0 ? socket.destroy() : undefined));
    socket.on('error', () => backend.destroy());
    socket.on('close', () => backend.destroy());
  };
  const server = createServer((socket) => forward(socket, ports.length)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

describe.each([
  ['a directory', () => new Mesh()],
  ['a Secret', () => new KubernetesMesh()],
] as const)('two Citadels that share %s', (_where, newMesh) => {
  it('both sign, each phase waits for both, and one goes on alone when the other is killed in the middle', async () => {
    const mesh = newMesh();
    closers.push(() => mesh.close());
    await mesh.start();
    const ports = [mesh.port, await freePort()];
    const second: RunningProcess = await mesh.startReplica(ports[1] ?? 0);
    closers.push(() => second.stop('SIGKILL'));
    const rootOf = async (port: number) => {
      mesh.port = port;
      const { cert } = await mesh.identity('asker');
      return new X509Certificate(cert).issuer;
    };
    expect(await rootOf(ports[0] ?? 0)).toBe(await rootOf(ports[1] ?? 0));
    const front = await serveBoth(ports);
    closers.push(() => front.close());
    mesh.port = (front.address() as AddressInfo).port;
    for (const name of ['productpage', 'reviews', 'ratings']) await mesh.addAgent(name);
    mesh.startCalls();
    const before = await mesh.until('both to know everybody', ({ phase }) => phase === 'steady');
    expect((await mesh.ca('rotate', '--step')).code).toBe(0);
    const skipped = await mesh.ca('rotate', '--skip', 'spiffe://cluster.local/ns/default/sa/asker');
    expect(skipped.code, skipped.text).toBe(0);
    expect(await mesh.ca('rotate', '--step')).toMatchObject({ code: 0 });
    await mesh.until('the middle', ({ phase }) => phase === 'switching', 40_000);
    // The first to start is killed, whichever of both has done the step.
    await mesh.kill();
    const resumed = await mesh.ca('rotate', '--resume');
    expect(resumed.code, resumed.text).toBe(0);
    const after = await mesh.until('the end', ({ phase }) => phase === 'steady', 60_000);
    expect(after.signer.root).not.toBe(before.signer.root);
    expect(after.bundle).toHaveLength(1);
    expect(await mesh.verifyAll()).toEqual([]);
    const calls = mesh.calls;
    await expect.poll(() => mesh.calls, { timeout: 20_000 }).toBeGreaterThan(calls + 9);
    expect(mesh.failures).toEqual([]);
  }, 150_000);
});
