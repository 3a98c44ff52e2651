import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, VirtualClock } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { stdio } from './adapter.ts';
import { RotatingFile } from './rotating-file.ts';

const text = (value: string): TypedValue => ({ type: 'STRING', value });
const entry = (severity: string, app = 'reviews'): InstanceValue => ({
  name: 'newlog.istio-system',
  template: 'logentry',
  fields: {
    severity: text(severity),
    timestamp: { type: 'TIMESTAMP', value: 1_537_044_396_009_801_000n },
    variables: new Map<string, TypedValue>([
      ['responseCode', { type: 'INT64', value: 200n }],
      ['app', text(app)],
      ['latency', { type: 'DURATION', value: 60_848_000n }],
    ]),
  },
});
const metric: InstanceValue = {
  name: 'calls.istio-system',
  template: 'metric',
  fields: { value: { type: 'INT64', value: 3n }, dimensions: new Map([['zone', text('a')]]) },
};

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'stdio-'));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

describe('stdio', () => {
  it('writes the lines that release 1.4 wrote', () => {
    const { environment, lines } = testEnvironment();
    configured(stdio, undefined, environment).report?.([entry('Info'), metric]);
    expect(lines).toEqual([
      '{"level":"info","time":"2018-09-15T20:46:36.009801Z","instance":"newlog.instance.istio-system","app":"reviews","latency":"60.848ms","responseCode":200}',
      '{"level":"info","time":"1970-01-01T00:00:00.000000Z","instance":"calls.instance.istio-system","value":3,"zone":"a"}',
    ]);
  });
  it('maps severities to levels and leaves out what is below its own', () => {
    const { environment, lines } = testEnvironment();
    const writer = configured(stdio, { severity_levels: { warning: 'ERROR', odd: 1 }, metricLevel: 'ERROR', outputLevel: 1 }, environment);
    writer.report?.([entry('info'), entry('warning'), entry('odd'), entry('FATAL'), entry('never heard of'), metric]);
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['error', 'warn', 'error', 'error']);
  });
  it('writes tab-separated lines for people', () => {
    const { environment, lines } = testEnvironment();
    configured(stdio, { outputAsJson: false }, environment).report?.([metric]);
    expect(lines).toEqual(['1970-01-01T00:00:00.000000Z\tinfo\tcalls.instance.istio-system\t{"value":3,"zone":"a"}']);
  });
  it('writes spans with their tags', () => {
    const { environment, lines } = testEnvironment();
    const fields = { traceId: text('1'.repeat(32)), spanName: text('GET /'), spanTags: new Map([['http.method', text('GET')]]) };
    configured(stdio, {}, environment).report?.([{ name: 'span.default', template: 'tracespan', fields }]);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ traceId: '1'.repeat(32), spanName: 'GET /', 'http.method': 'GET' });
  });
  it('appends to a file and has written all when it is closed', async () => {
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const outputPath = join(directory, 'access.log');
    for (const app of ['a', 'b']) {
      const writer = configured(stdio, { logStream: 'FILE', outputPath }, environment);
      writer.report?.([entry('info', app)]);
      await writer.close();
    }
    const lines = (await readFile(outputPath, 'utf8')).trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { app: string }).app)).toEqual(['a', 'b']);
    expect(counts).toEqual({ delivered: 2, dropped: 0 });
  });
  it('counts what a path that cannot be written to has cost', async () => {
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const writer = configured(stdio, { logStream: 2, output_path: join(directory, 'none/access.log') }, environment);
    writer.report?.([entry('info')]);
    await writer.close();
    expect(counts).toEqual({ delivered: 0, dropped: 1 });
  });
  it.each([
    [{ logStream: 'FILE' }, 'spec.params.outputPath: required field is missing; logStream is FILE'],
    [{ outputPath: '/x' }, 'spec.params.outputPath: logStream STDOUT has no path; set logStream to FILE or ROTATED_FILE, or take this out'],
    [{ logStream: 'SYSLOG' }, 'spec.params.logStream: "SYSLOG" is not one of "STDOUT", "STDERR", "FILE", "ROTATED_FILE"'],
    [{ severity_levels: { x: 'LOUD' } }, 'spec.params.severityLevels.x: "LOUD" is not one of "INFO", "WARNING", "ERROR"'],
    [{ maxRotatedFiles: -1 }, 'spec.params.maxRotatedFiles: -1 is not a whole number from 0 to 1000000'],
    [{ outputLevl: 'INFO' }, 'spec.params.outputLevl: unknown field "outputLevl"; did you mean "outputLevel"?'],
  ])('says what is wrong with %j', (params, message) => {
    expect(stdio.check(params).map((violation) => `${violation.path}: ${violation.message}`)).toEqual([message]);
  });
});

describe('a rotating file', () => {
  it('is set aside when it is full, and the oldest and the outdated are removed', async () => {
    const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'));
    const path = join(directory, 'access.log');
    const file = new RotatingFile(path, { maxBytes: 12, maxAgeMs: 10_000, maxFiles: 2 }, clock);
    await file.append(['one', 'two', 'three', 'four', 'five']);
    expect((await readdir(directory)).sort()).toEqual([
      'access-2026-01-01T00-00-00.000.log',
      'access-2026-01-01T00-00-00.001.log',
      'access.log',
    ]);
    expect(await readFile(join(directory, 'access-2026-01-01T00-00-00.001.log'), 'utf8')).toBe('three\nfour\n');
    expect(await readFile(path, 'utf8')).toBe('five\n');
    await file.append(['a line longer than the file', 'x']);
    expect((await readdir(directory)).sort()).toEqual([
      'access-2026-01-01T00-00-00.002.log',
      'access-2026-01-01T00-00-00.003.log',
      'access.log',
    ]);
    clock.advance(60_000);
    await file.append(['123456789012']);
    await file.close();
    expect((await readdir(directory)).sort()).toEqual(['access-2026-01-01T00-01-00.000.log', 'access.log']);
  });
});
