import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { decodeMulti, ExtensionCodec, encode } from '@msgpack/msgpack';
import { systemClock } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { fluentd } from './adapter.ts';

const eventTimes = new ExtensionCodec();
eventTimes.register({
  type: 0,
  encode: () => null,
  decode: (bytes) => {
    const view = Buffer.from(bytes);
    return `${view.readUInt32BE(0)}.${String(view.readUInt32BE(4)).padStart(9, '0')}`;
  },
});

interface Received {
  readonly tag: string;
  readonly events: readonly unknown[];
  readonly options: { readonly size: number; readonly chunk?: string };
}

const servers: { server: Server; sockets: Set<Socket> }[] = [];
afterEach(async () => {
  for (const { server, sockets } of servers.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  }
});

/** A server that understands messages in PackedForward mode and answers chunks. */
async function startPeer({ port = 0, acks = true } = {}) {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      for (const message of decodeMulti(bytes) as Iterable<[string, Uint8Array, Received['options']]>) {
        const [tag, packed, options] = message;
        received.push({ tag, events: [...decodeMulti(packed, { extensionCodec: eventTimes, useBigInt64: true })], options });
        if (acks && options.chunk !== undefined) socket.write(encode({ ack: options.chunk }));
      }
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  servers.push({ server, sockets });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, received, sockets };
}

const text = (value: string): TypedValue => ({ type: 'STRING', value });
const entry = (variables: Record<string, TypedValue>): InstanceValue => ({
  name: 'newlog.istio-system',
  template: 'logentry',
  fields: {
    severity: text('warning'),
    timestamp: { type: 'TIMESTAMP', value: 1_500_000_000_000_000_789n },
    variables: new Map(Object.entries(variables)),
  },
});

describe('fluentd', () => {
  it('sends variables and severity under the instance name, or under the variable tag', async () => {
    const { address, received } = await startPeer();
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const handler = configured(fluentd, { address, push_interval_duration: '10ms' }, environment);
    const variables: Record<string, TypedValue> = {
      code: { type: 'INT64', value: 200n },
      large: { type: 'INT64', value: 2n ** 60n },
      latency: { type: 'DURATION', value: 1_500_000n },
      ip: { type: 'IP_ADDRESS', value: Uint8Array.of(10, 0, 0, 1) },
      at: { type: 'TIMESTAMP', value: 0n },
      labels: { type: 'STRING_MAP', value: new Map([['app', 'a']]) },
      mtls: { type: 'BOOL', value: true },
      ratio: { type: 'DOUBLE', value: 0.5 },
    };
    handler.report?.([entry(variables), entry({ tag: text('own.tag') })]);
    await vi.waitFor(() => expect(received).toHaveLength(2));
    expect(received).toEqual([
      {
        tag: 'newlog.instance.istio-system',
        events: [
          [
            '1500000000.000000789',
            {
              code: 200n,
              large: 2n ** 60n,
              latency: '1.5ms',
              ip: '10.0.0.1',
              at: '1970-01-01T00:00:00.000000Z',
              labels: { app: 'a' },
              mtls: true,
              ratio: 0.5,
              severity: 'warning',
            },
          ],
        ],
        options: { size: 1 },
      },
      {
        tag: 'own.tag',
        events: [['1500000000.000000789', { severity: 'warning', name: 'newlog.instance.istio-system' }]],
        options: { size: 1 },
      },
    ]);
    await vi.waitFor(() => expect(counts).toEqual({ delivered: 2, dropped: 0 }));
    await handler.close();
  });
  it('writes durations as milliseconds when told to', async () => {
    const { address, received } = await startPeer();
    const handler = configured(fluentd, { address, integerDuration: true }, testEnvironment({ clock: systemClock }).environment);
    handler.report?.([entry({ latency: { type: 'DURATION', value: 1_500_900_000n } })]);
    await handler.close();
    await vi.waitFor(() => expect(received[0]?.events[0]).toEqual([expect.any(String), { latency: 1500n, severity: 'warning' }]));
  });
  it('waits for answers when told to, and sends again what had none', async () => {
    const silent = await startPeer({ acks: false });
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const params = { address: silent.address, requireAck: true, pushIntervalDuration: '1ms' };
    const handler = configured(fluentd, params, environment);
    handler.report?.([entry({ a: text('x') })]);
    await vi.waitFor(() => expect(silent.received).toHaveLength(1));
    expect(counts.delivered).toBe(0);
    for (const socket of silent.sockets) socket.destroy();
    await vi.waitFor(() => expect(silent.received).toHaveLength(2), { timeout: 5_000 });
    expect(silent.received[1]?.events).toEqual(silent.received[0]?.events);
    await handler.close();
    expect(counts).toEqual({ delivered: 0, dropped: 1 });
    const answering = await startPeer();
    const other = configured(fluentd, { ...params, address: answering.address }, environment);
    other.report?.([entry({ a: text('x') })]);
    await other.close();
    expect(counts).toEqual({ delivered: 1, dropped: 1 });
  });
  it('delivers what waited when the other end comes up, and counts what had no room', async () => {
    const first = await startPeer();
    const port = Number(first.address.split(':')[1]);
    const { server } = servers.splice(0)[0] ?? {};
    server?.close();
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const params = { address: first.address, instanceBufferSize: '2', pushIntervalDuration: '1ms' };
    const handler = configured(fluentd, params, environment);
    handler.report?.(Array.from({ length: 6 }, (_, i) => entry({ i: { type: 'INT64', value: BigInt(i) } })));
    expect(counts.dropped).toBe(2);
    const { received } = await startPeer({ port });
    await vi.waitFor(() => expect(counts.delivered).toBe(4), { timeout: 10_000 });
    expect(received.flatMap(({ events }) => events).map((event) => (event as [string, { i: bigint }])[1].i)).toEqual([0n, 1n, 2n, 3n]);
    await handler.close();
  });
  it('drops an entry that is larger than a batch may be', async () => {
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const handler = configured(fluentd, { maxBatchSizeBytes: 100 }, environment);
    handler.report?.([entry({ a: text('x'.repeat(200)) })]);
    await handler.close();
    expect(counts).toEqual({ delivered: 0, dropped: 1 });
  });
  it.each([
    [{ address: 'fluentd' }, 'spec.params.address: "fluentd" is not an address: write host:port, such as fluentd:24224'],
    [{ instanceBufferSize: -1 }, 'spec.params.instanceBufferSize: -1 is not a whole number from 0 to 10000000'],
    [{ pushIntervalDuration: '-1s' }, expect.stringContaining('spec.params.pushIntervalDuration: "-1s" is not a duration')],
  ])('says what is wrong with %j', (params, message) => {
    expect(fluentd.check(params).map((violation) => `${violation.path}: ${violation.message}`)).toEqual([message]);
  });
});
