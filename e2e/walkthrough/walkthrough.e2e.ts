import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { startUp, type UpProcess } from '../src/up-process.ts';
import { startZipkin, type Zipkin } from '../src/zipkin.ts';
import { describePage } from './describe-page.ts';
import { Shell } from './shell.ts';

const root = resolve(import.meta.dirname, '../..');
const istioSamples = process.env['XEBEC_ISTIO_SAMPLES'];

/** The project's own samples, and, where CI has them, the files that users bring, unmodified. */
const sources = [['samples', join(root, 'samples')], ...(istioSamples === undefined ? [] : [['istio-samples', resolve(istioSamples)]])] as [
  string,
  string,
][];

describe.each(sources)('walkthrough on %s', (_name, samples) => {
  let folder: string;
  let up: UpProcess;
  let shell: Shell;
  let zipkin: Zipkin;
  let outside: Server;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'xw-'));
    symlinkSync(samples, join(folder, 'samples'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    outside = createServer((_request, response) => response.end('hello from outside\n'));
    await new Promise<void>((done) => outside.listen(0, '0.0.0.0', done));
    zipkin = await startZipkin('0.0.0.0');
    up = await startUp(folder, ['--demo', '--samples', samples]);
    shell = new Shell(folder, {
      ...process.env,
      PATH: `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`,
      npm_config_loglevel: 'error',
      EXTERNAL_PORT: String((outside.address() as AddressInfo).port),
      ZIPKIN_PORT: String(zipkin.port),
    });
  }, 180_000);

  afterAll(async () => {
    shell?.close();
    await up?.stop();
    await zipkin?.stop();
    outside?.close();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  describePage('docs/walkthrough.md', () => shell);
});
