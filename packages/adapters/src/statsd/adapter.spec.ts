import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { seededRandom, systemClock } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { configured, testEnvironment } from '../test-environment.ts';
import { statsd } from './adapter.ts';
import { statsdLines } from './lines.ts';
import { compileNameTemplate } from './name-template.ts';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

async function startPeer() {
  const socket = createSocket('udp4');
  sockets.push(socket);
  const datagrams: string[] = [];
  socket.on('message', (bytes) => datagrams.push(bytes.toString()));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { address: `127.0.0.1:${socket.address().port}`, datagrams };
}

const int = (value: bigint): TypedValue => ({ type: 'INT64', value });
const text = (value: string): TypedValue => ({ type: 'STRING', value });
const metric = (name: string, value: TypedValue, dimensions: Record<string, string> = {}): InstanceValue => ({
  name: `${name}.istio-system`,
  template: 'metric',
  fields: { value, dimensions: new Map(Object.entries(dimensions).map(([key, word]) => [key, text(word)])) },
});

const params = {
  prefix: 'mesh.',
  flush_duration: '10ms',
  metrics: {
    'calls.metric.istio-system': { type: 'COUNTER', name_template: '{{.service}}-{{ index . "response code" }}' },
    took: { type: 3 },
    open: { type: 'GAUGE' },
  },
};

describe('statsd', () => {
  it('names, types and joins metrics into datagrams', async () => {
    const { address, datagrams } = await startPeer();
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const handler = configured(statsd, { ...params, address }, environment);
    handler.report?.([
      metric('calls', int(1n), { service: 'reviews:9080', 'response code': '200' }),
      metric('took', { type: 'DURATION', value: 1_250_500n }),
      metric('took', int(7n)),
      metric('open', int(-5n)),
      metric('unmapped', int(1n)),
      metric('calls', text('no number')),
    ]);
    await vi.waitFor(() => expect(datagrams).toHaveLength(1));
    expect(datagrams[0]?.split('\n')).toEqual([
      'mesh.reviews_9080-200:1|c',
      'mesh.took.instance.istio-system:1.2505|ms',
      'mesh.took.instance.istio-system:7|c',
      'mesh.open.instance.istio-system:0|g',
      'mesh.open.instance.istio-system:-5|g',
    ]);
    await handler.close();
    expect(counts).toEqual({ delivered: 5, dropped: 0 });
  });
  it('makes no datagram larger than it may be', async () => {
    const { address, datagrams } = await startPeer();
    const handler = configured(statsd, { ...params, address, flushBytes: 60 }, testEnvironment({ clock: systemClock }).environment);
    handler.report?.(Array.from({ length: 5 }, () => metric('calls', int(1n), { service: 'a', 'response code': '200' })));
    await handler.close();
    await vi.waitFor(() => expect(datagrams.join('\n').split('\n')).toHaveLength(5));
    expect(datagrams.map((datagram) => datagram.length).every((length) => length <= 60)).toBe(true);
    expect(datagrams.length).toBeLessThan(5);
  });
  it('samples, and says so', async () => {
    const { address, datagrams } = await startPeer();
    const { environment } = testEnvironment({ clock: systemClock, random: seededRandom(3) });
    const handler = configured(statsd, { ...params, address, samplingRate: 0.25 }, environment);
    handler.report?.(Array.from({ length: 400 }, () => metric('calls', int(1n), { service: 'a' })));
    await handler.close();
    const lines = () => datagrams.join('\n').split('\n');
    await vi.waitFor(() => expect(lines().length).toBeGreaterThan(60));
    expect(lines().length).toBeLessThan(140);
    expect(new Set(lines())).toEqual(new Set(['mesh.a-unknown:1|c|@0.25']));
  });
  it.each([
    [{ samplingRate: 2 }, 'spec.params.samplingRate: 2 is greater than 1'],
    [{ metrics: { a: {} } }, 'spec.params.metrics["a"].type: required field is missing: COUNTER, GAUGE or DISTRIBUTION'],
    [
      { metrics: { a: { type: 'COUNTER', nameTemplate: '{{if .x}}' } } },
      'spec.params.metrics["a"].nameTemplate: "{{if .x}}" "{{if .x}}" is not understood; write {{.dimension}} or {{index . "dimension"}}',
    ],
    [{ metrics: { a: { type: 'COUNTER', nameTemplate: '{{.x' } } }, 'spec.params.metrics["a"].nameTemplate: "{{.x" has "{{" without "}}"'],
    [{ flushBytes: 70_000 }, 'spec.params.flushBytes: 70000 is not a whole number from 0 to 65507'],
  ])('says what is wrong with %j', (wrong, message) => {
    expect(statsd.check(wrong).map((violation) => `${violation.path}: ${violation.message}`)).toEqual([message]);
  });
});

describe('a name template', () => {
  it.each([
    ['{{.a}}-{{ .b }}', 'x-unknown'],
    ['plain', 'plain'],
    ['p {{- .a -}} .q', 'px.q'],
    ['{{/* a note */}}{{.a}}', 'x'],
  ])('%s gives %s', (source, name) => {
    const template = compileNameTemplate(source);
    expect(template.ok && template.value(new Map([['a', text('x')]]))).toBe(name);
  });
});

describe('a line', () => {
  it('has no exponent and no sign that changes its meaning', () => {
    expect(statsdLines('n', 'COUNTER', int(10n ** 18n), 1)).toEqual(['n:1000000000000000000|c']);
    expect(statsdLines('n', 'GAUGE', { type: 'DOUBLE', value: 1e-9 }, 1)).toEqual(['n:0|g']);
    expect(statsdLines('n', 'GAUGE', { type: 'DOUBLE', value: 2.5 }, 1)).toEqual(['n:2.5|g']);
    expect(statsdLines('n', 'COUNTER', { type: 'DOUBLE', value: Number.NaN }, 1)).toBeUndefined();
  });
});
