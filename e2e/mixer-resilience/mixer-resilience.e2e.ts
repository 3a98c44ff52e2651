import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromJson, toBinary } from '@bufbuild/protobuf';
import { StructSchema } from '@bufbuild/protobuf/wkt';
import { AttributesSchema } from '@xebec/protos/istio/mixer/v1/attributes';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, freePort, type RunningProcess, startDaemon } from '../src/daemon-process.ts';
import { badMixers } from './bad-mixers.ts';
import { ask, checkTimeoutMs, type GuardedProxy, startGuardedProxy } from './guarded-proxy.ts';

/** One handler denies what goes to /denied; everything else may pass. */
const policy = `
apiVersion: config.istio.io/v1alpha2
kind: handler
metadata: {name: deny, namespace: istio-system}
spec: {compiledAdapter: denier, params: {status: {code: 7, message: not here}, validDuration: 0.1s, validUseCount: 10}}
---
apiVersion: config.istio.io/v1alpha2
kind: instance
metadata: {name: nothing, namespace: istio-system}
spec: {compiledTemplate: checknothing}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: deny, namespace: istio-system}
spec: {match: request.url_path == "/denied", actions: [{handler: deny, instances: [nothing]}]}
---
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: shop-only, namespace: istio-system}
spec:
  match: request.url_path == "/shop" && (source.namespace | "unknown") != "shop"
  actions: [{handler: deny, instances: [nothing]}]
`;

let folder: string;
let mixerPort: number;
let proxy: GuardedProxy;
const cleanups: (() => unknown)[] = [];
/** Names of the headers of requests that came through. */
const appHeaders: string[][] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'xebec-mixer-resilience-'));
  cleanups.push(() => rm(folder, { recursive: true, force: true }));
  await mkdir(join(folder, 'policy'));
  await writeFile(join(folder, 'policy', 'policy.yaml'), policy);
  const app = createServer((request, response) => {
    if (appHeaders.length < 10_000) appHeaders.push(Object.keys(request.headers));
    response.end('ok');
  }).listen(0, '127.0.0.1');
  await once(app, 'listening');
  cleanups.push(() => app.close());
  mixerPort = await freePort();
  proxy = await startGuardedProxy(folder, (app.address() as AddressInfo).port, mixerPort);
  cleanups.push(() => proxy.stop());
});
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function startMixer(): Promise<RunningProcess> {
  const [http, prometheus] = [await freePort(), await freePort()];
  const mixer = startDaemon('mixer', [
    ...['--config-dir', join(folder, 'policy'), '--grpc-addr', `127.0.0.1:${mixerPort}`],
    ...['--http-addr', `127.0.0.1:${http}`, '--prometheus-addr', `127.0.0.1:${prometheus}`],
  ]);
  try {
    await eventually('mixer', async () => ((await fetch(`http://127.0.0.1:${http}/ready`)).ok ? true : undefined), 60_000);
  } catch (cause) {
    await mixer.stop('SIGKILL');
    throw new Error(`mixer did not start; it printed:\n${mixer.output()}`, { cause });
  }
  return mixer;
}

describe.each(Object.entries(badMixers))('a Mixer %s', (_, start) => {
  it('harms no traffic that fails open, has what fails closed denied at once, and fills no memory', async () => {
    const bad = await start(mixerPort);
    try {
      // The first to find out may wait for the time limit; nobody after them does.
      await ask(proxy.open, 10);
      await ask(proxy.closed, 10);
      const before = proxy.memoryKb();
      const open = await ask(proxy.open, 3000);
      expect(open.statuses).toEqual({ 200: 3000 });
      const closed = await ask(proxy.closed, 500);
      expect(closed.statuses).toEqual({ 503: 500 });
      expect(closed.medianMs).toBeLessThan(checkTimeoutMs / 2);
      // 3,500 reports of some 1 kB that nobody took would be as much as this allows for everything.
      expect(proxy.memoryKb() - before).toBeLessThan(64 * 1024);
    } finally {
      await bad.close();
    }
  });
});

describe('a caller without a certificate', () => {
  it('cannot say who it is, whatever headers it sends, and the application sees none of what proxies tell each other', async () => {
    const mixer = await startMixer();
    try {
      const text = (value: string) => ({ value: { case: 'stringValue' as const, value } });
      const attributes = { 'source.namespace': text('shop'), 'source.uid': text('kubernetes://web.shop') };
      const forwarded = Buffer.from(toBinary(AttributesSchema, create(AttributesSchema, { attributes }))).toString('base64');
      const metadata = fromJson(StructSchema, { NAME: 'web', NAMESPACE: 'shop', WORKLOAD_NAME: 'web', LABELS: { app: 'web' } });
      const headers = {
        'x-istio-attributes': forwarded,
        'x-envoy-peer-metadata': Buffer.from(toBinary(StructSchema, metadata)).toString('base64'),
        'x-envoy-peer-metadata-id': 'sidecar~10.0.0.1~web.shop~shop.svc.cluster.local',
      };
      const open = await eventually('an answer of Mixer', async () => {
        const { statuses } = await ask(proxy.closed, 1, { headers });
        return statuses['200'] === 1 ? statuses : undefined;
      });
      expect(open).toEqual({ 200: 1 });
      expect((await ask(proxy.closed, 5, { path: '/shop', headers })).statuses).toEqual({ 403: 5 });
      expect(appHeaders.every((names) => !names.includes('x-istio-attributes'))).toBe(true);
      expect(appHeaders.length).toBeGreaterThan(0);
    } finally {
      await mixer.stop('SIGKILL');
    }
  }, 120_000);
});

describe('a Mixer that does its part', () => {
  it('decides again within a second after it came back, each time', async () => {
    for (let round = 0; round < 2; round++) {
      const mixer = await startMixer();
      try {
        const back = performance.now();
        for (const port of [proxy.open, proxy.closed]) {
          await eventually(
            'a denial by policy',
            async () => ((await ask(port, 1, { path: '/denied' })).statuses['403'] === 1 ? true : undefined),
            1000,
          );
          await eventually('a pass by policy', async () => ((await ask(port, 1)).statuses['200'] === 1 ? true : undefined), 1000);
        }
        expect(performance.now() - back).toBeLessThan(2000);
        const reported = await proxy.counter('total_remote_report_successes');
        await eventually(
          'reports',
          async () => ((await proxy.counter('total_remote_report_successes')) > reported ? true : undefined),
          5000,
        );
      } finally {
        await mixer.stop('SIGKILL');
      }
      // Killed under traffic: what fails open does not notice.
      expect((await ask(proxy.open, 500)).statuses).toEqual({ 200: 500 });
      expect((await ask(proxy.closed, 20, { path: '/never-asked' })).statuses).toEqual({ 503: 20 });
    }
    expect(await proxy.counter('total_reports_dropped')).toBeGreaterThan(0);
  }, 180_000);
});
