import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { madeOnce } from '../src/made-once.ts';

const run = promisify(execFile);
const dashboards = resolve(import.meta.dirname, '../../deploy/dashboards');

const GRAFANA = '13.2.3';
const packages = [`@grafana/schema@${GRAFANA}`, '@grafana/grafana-foundation-sdk@0.0.21', 'ts-json-schema-generator@2.4.0', 'ajv@8.20.0'];

it('dashboards are what the schemas that Grafana publishes allow', async () => {
  const home = await madeOnce(`grafana-schema-${GRAFANA}`, (folder) =>
    run('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', ...packages], { timeout: 240_000 }),
  );
  const files = readdirSync(dashboards)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(dashboards, name));
  expect(files.length).toBeGreaterThan(0);
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, 'grafana-schema.mjs'), home, ...files]);
  expect(stdout).toBe('');
}, 300_000);
