import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type ByteStream, openByteStream } from './byte-stream.ts';
import { directBindings } from './direct-bindings.ts';
import { readArea } from './read-area.ts';

const open: (Server | Socket)[] = [];
afterEach(() => {
  for (const each of open.splice(0)) {
    if ('destroy' in each) each.destroy();
    else each.close();
  }
});

let key = '';
let cert = '';
beforeAll(async () => {
  const keys = await generateKeys('ecdsa-p256');
  const serial = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
  const root = unwrap(createSelfSignedRoot(keys, { organization: 'peer.example', ttlMs: 3_600_000, now: Date.now(), serial }));
  key = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  cert = certificatePem(root);
});

/** An accepted socket and its peer, both past their handshake. */
async function pair(tls: boolean): Promise<{ near: Socket; far: Socket }> {
  const server = tls ? createTlsServer({ key, cert }) : createServer();
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const accepted = new Promise<Socket>((resolve) => server.once(tls ? 'secureConnection' : 'connection', resolve));
  const where = { port: typeof address === 'object' && address !== null ? address.port : 0, host: '127.0.0.1' };
  // The peer is whoever answers on our own port: nothing to verify.
  const far = tls ? connectTls({ ...where, rejectUnauthorized: false }) : connect(where);
  const near = await accepted;
  near.on('error', () => undefined);
  far.on('error', () => undefined);
  open.push(near, far);
  return { near, far };
}

function received(socket: Socket): { text: () => string; bytes: () => number } {
  const pieces: Buffer[] = [];
  socket.on('data', (piece: Buffer) => pieces.push(piece));
  return { text: () => Buffer.concat(pieces).toString('latin1'), bytes: () => pieces.reduce((sum, piece) => sum + piece.length, 0) };
}

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !holds(); ) {
    if (Date.now() > deadline) throw new Error('the condition did not come to hold in 5 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('this Node has the private parts', () => {
  expect(directBindings()).not.toBeNull();
});

describe.each([
  { name: 'direct', bindings: directBindings(), tls: false },
  { name: 'public API', bindings: null, tls: false },
  { name: 'direct over TLS', bindings: directBindings(), tls: true },
  { name: 'public API over TLS', bindings: null, tls: true },
])('byte stream, $name', ({ bindings, tls }) => {
  const take = (socket: Socket): ByteStream => openByteStream(socket, bindings);

  test('brings bytes, those read before it too, and writes all that it is given', async () => {
    const { near, far } = await pair(tls);
    far.write('early');
    await until(() => near.readableLength > 0 || near.bytesRead > 0);
    const stream = take(near);
    let seen = '';
    stream.start({ receive: (bytes) => (seen += bytes.toString('latin1')), onSocketDrain: () => undefined });
    far.write('later');
    await until(() => seen === 'earlylater');
    const answer = received(far);
    stream.writeText('text \xe9 ');
    stream.write(Buffer.from('bytes '));
    const area = stream.writeArea(4) ?? Buffer.alloc(4);
    area.write('area');
    stream.write(area.subarray(0, 4));
    stream.end();
    await until(() => answer.text() === 'text \xe9 bytes area');
  });
  test('bytes written from the read area, and text between them, arrive as they were, however slow the peer', async () => {
    const { near, far } = await pair(tls);
    const stream = take(near);
    let drains = 0;
    stream.start({ receive: () => undefined, onSocketDrain: () => drains++ });
    let expected = 0;
    let flowing = true;
    // Written until the kernel takes no more, the area overwritten after each write.
    for (let round = 0; flowing && round < 5000; round++) {
      readArea.fill(65 + (round % 26));
      const bytes = readArea.subarray(0, 10_000);
      flowing = round % 3 === 2 ? stream.writeText(bytes.toString('latin1')) : stream.write(bytes);
      expected += 10_000;
    }
    expect(flowing).toBe(false);
    readArea.fill(0);
    const answer = received(far);
    await until(() => answer.bytes() === expected);
    const text = answer.text();
    for (let at = 0, round = 0; at < expected; at += 10_000, round++) {
      expect(text.slice(at, at + 10_000) === String.fromCharCode(65 + (round % 26)).repeat(10_000)).toBe(true);
    }
    await until(() => drains === 1);
  });
  test('reads nothing while paused', async () => {
    const { near, far } = await pair(tls);
    const stream = take(near);
    let seen = '';
    stream.start({
      receive(bytes) {
        seen += bytes.toString('latin1');
        stream.pause();
      },
      onSocketDrain: () => undefined,
    });
    far.write('one');
    await until(() => seen === 'one');
    far.write('two');
    await new Promise((resolve) => far.write('', resolve));
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(seen).toBe('one');
    stream.resume();
    await until(() => seen === 'onetwo');
  });
  test('the end, a reset and a close are events of the socket', async () => {
    const ended = await pair(tls);
    const events: string[] = [];
    take(ended.near).start({ receive: () => undefined, onSocketDrain: () => undefined });
    ended.near.on('end', () => events.push('end'));
    ended.near.on('close', () => events.push('close'));
    ended.far.end();
    await until(() => events.join() === 'end,close');
    // TLS has no reset of its own.
    if (tls) return;
    const broken = await pair(tls);
    take(broken.near).start({ receive: () => undefined, onSocketDrain: () => undefined });
    broken.near.on('error', () => events.push('error'));
    broken.far.resetAndDestroy();
    await until(() => events.includes('error'));
  });
  test('what was written before destroySoon arrives, and the peer sees the reset of resetAndDestroy', async () => {
    const soon = await pair(tls);
    const stream = take(soon.near);
    stream.start({ receive: () => undefined, onSocketDrain: () => undefined });
    const answer = received(soon.far);
    stream.writeText('x'.repeat(300_000));
    stream.destroySoon();
    await until(() => answer.bytes() === 300_000 && soon.near.destroyed);
    if (tls) return;
    const reset = await pair(tls);
    let error = '';
    reset.far.on('error', (cause) => (error = cause.message));
    const other = take(reset.near);
    other.start({ receive: () => undefined, onSocketDrain: () => undefined });
    reset.far.resume();
    other.resetAndDestroy();
    await until(() => /ECONNRESET/.test(error));
    expect(other.writeText('late')).toBeTypeOf('boolean');
  });
});
