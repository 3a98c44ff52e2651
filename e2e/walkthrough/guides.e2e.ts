import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { type Collector, startCollector } from '../mixer-telemetry/peers.ts';
import { discoveringPrometheus } from '../src/discovering-prometheus.ts';
import { startUp, type UpProcess } from '../src/up-process.ts';
import { startZipkin, type Zipkin } from '../src/zipkin.ts';
import { describePage, root } from './describe-page.ts';
import { Shell } from './shell.ts';

/** In the order in which one mesh runs them: a Prometheus that one starts is asked by another. */
const guides = [
  'mixer',
  'mixer-in-the-proxy',
  'rate-limits',
  'telemetry-adapters',
  'metrics-and-dashboards',
  'smi',
  'config-history',
  'tap',
];

let folder: string;
let up: UpProcess;
let shell: Shell;
let collector: Collector;
let zipkin: Zipkin;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xg-'));
  for (const name of ['samples', 'deploy', 'node_modules']) symlinkSync(join(root, name), join(folder, name));
  const prometheus = await discoveringPrometheus();
  up = await startUp(folder, ['--demo']);
  // Where the guides say that they listen.
  collector = await startCollector(folder, { grpc: 4317, http: 4318, fluentd: 24_224 }, '0.0.0.0');
  zipkin = await startZipkin('0.0.0.0', 9411);
  shell = new Shell(folder, {
    ...process.env,
    PATH: `${dirname(prometheus)}:${join(root, 'node_modules/.bin')}:${process.env['PATH']}`,
    KUBECONFIG: join(folder, '.xebec/kubeconfig'),
    npm_config_loglevel: 'error',
  });
}, 1_200_000);

afterAll(async () => {
  shell?.close();
  await up?.stop();
  await collector?.stop();
  await zipkin?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

describe.each(guides)('%s', (guide) => {
  // Answers of Mixer hold for a minute, and so do windows of rate limits.
  describePage(`docs/guides/${guide}.md`, () => shell, 75_000);
});
