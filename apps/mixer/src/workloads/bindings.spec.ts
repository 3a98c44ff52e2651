import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MetricStore, RateLimitDomains, RoleStore } from '@xebec/adapters';
import { createDirectorySource } from '@xebec/config';
import { silentLogger, systemClock, systemRandom } from '@xebec/core';
import { type AttributeBag, type AttributeValue, parseIp } from '@xebec/expressions';
import { Registry } from 'prom-client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Dispatcher } from '../dispatcher.ts';
import { createMixerMetrics } from '../metrics.ts';
import { emptyPolicy } from '../policy-compiler.ts';
import { loadPolicy } from '../policy-loader.ts';
import { PodDirectory } from './pod-directory.ts';

const deploy = join(import.meta.dirname, '../../../../deploy');
const pod = (name: string, ip: string, app: string) => ({
  metadata: {
    name,
    namespace: 'shop',
    labels: { app, 'pod-template-hash': 'abc' },
    ownerReferences: [{ controller: true, apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${app}-v1-abc` }],
  },
  spec: { containers: [{ name: app, ports: [{ containerPort: 80 }] }] },
  status: { podIP: ip, hostIP: '192.168.0.1' },
});

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bindings-'));
  for (const name of ['mixer-kubernetes.yaml', 'mixer-access-log.yaml']) await copyFile(join(deploy, name), join(directory, name));
});
afterEach(() => rm(directory, { recursive: true }));

it('the manifests of deploy/ tell who called whom, and leave what only the proxy knows', async () => {
  const workloads = new PodDirectory();
  workloads.setPods([pod('cart-1', '10.0.0.1', 'cart'), pod('stock-1', '10.0.0.2', 'stock')]);
  const context = { clock: systemClock, logger: silentLogger, random: systemRandom };
  const metrics = createMixerMetrics(new Registry());
  const dispatcher = new Dispatcher(emptyPolicy, { ...context, metrics });
  const source = createDirectorySource({ directory, defaultNamespace: 'istio-system', ...context });
  const lines: string[] = [];
  const environment = {
    ...context,
    workloads,
    rateLimits: new RateLimitDomains(),
    roles: new RoleStore(),
    metrics: new MetricStore(new Registry()),
    mixerMetrics: metrics,
    writeLine: (line: string) => void lines.push(line),
  };
  const loader = loadPolicy({ sources: [source], dispatcher, environment, metrics, ...context });
  await source.start();
  expect(loader.problems()).toEqual([]);
  const call: AttributeBag = new Map<string, AttributeValue>([
    ['context.protocol', { form: 'string', value: 'http' }],
    ['request.time', { form: 'timestamp', value: 0n }],
    ['response.time', { form: 'timestamp', value: 0n }],
    ['source.ip', { form: 'bytes', value: parseIp('10.0.0.1') ?? new Uint8Array() }],
    ['destination.uid', { form: 'string', value: 'kubernetes://stock-1.shop' }],
    ['destination.port', { form: 'int64', value: 80n }],
    ['destination.workload.name', { form: 'string', value: 'told by the proxy' }],
  ]);
  const elsewhere = new Map([...call, ['destination.uid', { form: 'string', value: 'kubernetes://gone.shop' }] as const]);
  await dispatcher.report([call, elsewhere]);
  await source.close();
  await loader.close();
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    sourceWorkload: 'cart-v1',
    sourceName: 'cart-1',
    sourceApp: 'cart',
    sourceNamespace: 'shop',
    sourceOwner: 'kubernetes://apis/apps/v1/namespaces/shop/deployments/cart-v1',
    destinationName: 'stock-1',
    destinationIp: '10.0.0.2',
    destinationApp: 'stock',
    destinationWorkload: 'stock-v1',
  });
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ sourceWorkload: 'cart-v1', destinationWorkload: 'told by the proxy' });
});
