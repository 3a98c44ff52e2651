import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort } from '../src/daemon-process.ts';
import { configuration } from './configuration.ts';
import { reviewsCall, startMixer } from './mixer.ts';
import { startCollector } from './peers.ts';

const MEGABYTE = 1024 * 1024;
const HEAP_MEGABYTES = 600;
const cleanups: (() => unknown)[] = [];
let mixer: Awaited<ReturnType<typeof startMixer>>;
let ports: { grpc: number; http: number; fluentd: number };
let directory = '';

/** A server that takes connections and bytes and never answers. */
async function startSilence(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port; // a TCP server that listens has an address
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'xebec-outage-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  ports = { grpc: await freePort(), http: await freePort(), fluentd: await freePort() };
  const silence = await startSilence();
  mixer = await startMixer(
    configuration({
      fluentd: `127.0.0.1:${ports.fluentd}`,
      otlpGrpc: `127.0.0.1:${ports.grpc}`,
      otlpHttp: `http://127.0.0.1:${silence}`,
      zipkin: `http://127.0.0.1:${silence}`,
    }),
    { NODE_OPTIONS: `--max-old-space-size=${HEAP_MEGABYTES}` },
  );
  cleanups.push(() => mixer.stop());
});
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const dropped = (handler: string) => mixer.counter('mixer_adapter_dropped_entries_total', `handler="${handler}.istio-system"`);
const delivered = (handler: string) => mixer.counter('mixer_adapter_delivered_entries_total', `handler="${handler}.istio-system"`);

async function reportMany(count: number): Promise<void> {
  const bags = Array.from({ length: 100 }, () => reviewsCall());
  for (let i = 0; i < count; i += bags.length) await mixer.report(bags);
}

describe('while backends are away or silent', () => {
  it('Mixer takes reports, keeps its memory bounded and counts what is lost', async () => {
    // With the heap that it has Mixer would end if more waited than may.
    await reportMany(44_000);
    expect(mixer.daemon.child.exitCode).toBeNull();
    expect(await mixer.memory()).toBeLessThan(1024 * MEGABYTE);
    // Of each span, log entry and edge 20,000 may wait; metrics add up and are not lost.
    expect(await dropped('zipkin')).toBe(44_000 - 20_000);
    expect(await dropped('otlphttp')).toBe(2 * 44_000 - 20_000 + (44_000 - 20_000));
    expect(await delivered('zipkin')).toBe(0);
  });
  it('what waited arrives when they come back', async () => {
    const lost = await dropped('otlpgrpc');
    const collector = await startCollector(directory, ports);
    cleanups.push(() => collector.stop());
    // 44,000 spans, log entries and edges, and two metric values of each: all but the lost ones.
    await eventually(
      'what waited',
      async () => {
        const arrived = (await delivered('otlpgrpc')) + (await dropped('otlpgrpc'));
        return arrived === 5 * 44_000 ? arrived : undefined;
      },
      60_000,
    );
    expect(await delivered('otlpgrpc')).toBeGreaterThanOrEqual(2 * 44_000 + 1);
    expect(lost).toBeGreaterThan(0);
    await eventually('entries at fluentd', async () => ((await delivered('fluentd')) > 0 ? true : undefined), 60_000);
  });
});
