import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { silentLogger, systemClock } from '@xebec/core';
import { decode, encode, type Packet } from 'dns-packet';
import { afterEach, describe, expect, it } from 'vitest';
import { answerQuery } from './answer.ts';
import { type DnsProxy, startDnsProxy } from './dns-proxy.ts';
import { createNameTable } from './name-table.ts';
import { parseResolvConf } from './resolv-conf.ts';
import { framed } from './upstream.ts';

const many = Array.from({ length: 60 }, (_, i) => `10.0.1.${i}`);
const table = createNameTable(
  new Map([
    ['reviews.default.svc.cluster.local', { addresses: ['10.0.0.1', 'fd00::1'], alternatives: ['reviews', 'reviews.default'] }],
    ['*.wild.example', { addresses: ['10.0.0.2'] }],
    ['many.example', { addresses: many }],
  ]),
  ['default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
);
const query = (name: string, type: 'A' | 'AAAA' | 'TXT' = 'A', more: Partial<Packet> = {}): Buffer =>
  encode({ id: 4711, type: 'query', flags: 0x0100, questions: [{ type, name }], ...more });
const addressesOf = (reply: Packet): unknown[] => (reply.answers ?? []).map((answer) => ('data' in answer ? answer.data : undefined));

const open: { close(): void }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function start(upstream: readonly { address: string; port: number }[], timeoutMs = 500): Promise<DnsProxy> {
  const proxy = await startDnsProxy({
    address: '127.0.0.1',
    port: 0,
    table,
    upstream,
    timeoutMs,
    clock: systemClock,
    logger: silentLogger,
  });
  open.push(proxy);
  return proxy;
}

function overUdp(port: number, message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.once('message', (reply) => {
      socket.close();
      resolve(reply);
    });
    socket.send(message, port, '127.0.0.1');
  });
}

function overTcp(port: number, message: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(framed(message)));
    let bytes = Buffer.alloc(0);
    socket.once('error', reject);
    socket.on('data', (more: Buffer) => {
      bytes = Buffer.concat([bytes, more]);
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return;
      socket.destroy();
      resolve(bytes.subarray(2));
    });
  });
}

/** A resolver that answers with what `reply` makes of the question, or says nothing. */
async function resolver(reply: (message: Buffer) => Buffer | undefined): Promise<{ address: string; port: number; seen: Buffer[] }> {
  const socket = createSocket('udp4');
  const seen: Buffer[] = [];
  socket.on('message', (message, from) => {
    seen.push(message);
    const bytes = reply(message);
    if (bytes !== undefined) socket.send(bytes, from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', () => resolve()));
  open.push(socket);
  return { address: '127.0.0.1', port: socket.address().port, seen };
}

const answerWith =
  (address: string, count = 1) =>
  (message: Buffer): Buffer => {
    const asked = decode(message);
    const questions = asked.questions ?? [];
    const name = questions[0]?.name ?? '';
    const answers = Array.from({ length: count }, () => ({ type: 'A' as const, name, ttl: 1, data: address }));
    return encode({ id: asked.id ?? 0, type: 'response', questions, answers });
  };

describe('names of the mesh', () => {
  it.each([
    ['its full name', 'reviews.default.svc.cluster.local', ['10.0.0.1']],
    ['its short name, in capitals', 'Reviews', ['10.0.0.1']],
    ['a wildcard', 'a.b.wild.example', ['10.0.0.2']],
    ['a name with a search domain', 'a.wild.example.default.svc.cluster.local', ['a.wild.example', '10.0.0.2']],
  ])('are answered: %s', async (_, name, expected) => {
    const proxy = await start([]);
    for (const ask of [overUdp, overTcp]) {
      const reply = decode(await ask(proxy.port, query(name)));
      expect(reply).toMatchObject({ id: 4711, rcode: 'NOERROR', questions: [{ name }] });
      expect(addressesOf(reply)).toEqual(expected);
    }
  });
  it('have addresses of both families, and an empty answer where one is missing', async () => {
    const proxy = await start([]);
    expect(addressesOf(decode(await overUdp(proxy.port, query('reviews', 'AAAA'))))).toEqual(['fd00::1']);
    const none = decode(await overUdp(proxy.port, query('a.wild.example', 'AAAA')));
    expect(none).toMatchObject({ rcode: 'NOERROR', answers: [] });
  });
  it('are cut where a datagram is too small, and whole with EDNS or over TCP', async () => {
    const proxy = await start([]);
    const cut = decode(await overUdp(proxy.port, query('many.example')));
    expect(cut).toMatchObject({ flag_tc: true, answers: [] });
    const edns = query('many.example', 'A', {
      additionals: [
        { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [], extendedRcode: 0, ednsVersion: 0, flag_do: false },
      ],
    });
    expect(addressesOf(decode(await overUdp(proxy.port, edns)))).toEqual(many);
    expect(addressesOf(decode(await overTcp(proxy.port, query('many.example'))))).toEqual(many);
  });
  it('change with the table', async () => {
    const proxy = await start([]);
    proxy.table = createNameTable(new Map([['reviews', { addresses: ['10.0.0.9'] }]]), []);
    expect(addressesOf(decode(await overUdp(proxy.port, query('reviews'))))).toEqual(['10.0.0.9']);
  });
});

describe('other names', () => {
  it('go upstream byte for byte and come back so', async () => {
    const upstream = await resolver(answerWith('192.0.2.1'));
    const proxy = await start([upstream]);
    const asked = query('elsewhere.example', 'TXT');
    await overUdp(proxy.port, asked);
    expect(upstream.seen).toEqual([asked]);
    expect(addressesOf(decode(await overUdp(proxy.port, query('elsewhere.example'))))).toEqual(['192.0.2.1']);
  });
  it('are asked of the next server when one is silent or refuses', async () => {
    const silent = await resolver(() => undefined);
    const good = await resolver(answerWith('192.0.2.2'));
    const dead = { address: '127.0.0.1', port: 1 };
    const proxy = await start([dead, silent, good], 100);
    expect(addressesOf(decode(await overUdp(proxy.port, query('elsewhere.example'))))).toEqual(['192.0.2.2']);
  });
  it('fail when nobody answers, and answers to other questions do not count', async () => {
    const liar = await resolver((message) => {
      const reply = answerWith('192.0.2.3')(message);
      reply.writeUInt16BE((reply.readUInt16BE(0) + 1) & 0xffff, 0);
      return reply;
    });
    const proxy = await start([liar], 50);
    expect(decode(await overUdp(proxy.port, query('elsewhere.example')))).toMatchObject({ rcode: 'SERVFAIL', id: 4711 });
  });
  it('are cut to what the client takes', async () => {
    const proxy = await start([await resolver(answerWith('192.0.2.1', 60))]);
    expect(decode(await overUdp(proxy.port, query('elsewhere.example')))).toMatchObject({ flag_tc: true, answers: [] });
  });
});

describe('malformed messages', () => {
  it('are answered with FORMERR, or not at all', () => {
    expect(answerQuery(Buffer.from('short'), table, true)).toEqual({ kind: 'drop' });
    expect(answerQuery(encode({ id: 1, type: 'response', questions: [] }), table, true)).toEqual({ kind: 'drop' });
    const cut = query('reviews').subarray(0, 20);
    const verdict = answerQuery(cut, table, true);
    expect(verdict.kind === 'reply' ? verdict.bytes.readUInt8(3) & 0x0f : -1).toBe(1);
  });
});

describe('parseResolvConf', () => {
  it('reads servers and search domains', () => {
    expect(parseResolvConf('# c\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver x\nsearch a b\noptions ndots:5\n')).toEqual({
      servers: ['10.0.0.1', 'fe80::1'],
      search: ['a', 'b'],
    });
  });
});
