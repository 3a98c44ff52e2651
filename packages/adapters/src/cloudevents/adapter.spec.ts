import { systemClock } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startHttpPeer } from '../delivery/http-peer.ts';
import { configured, testEnvironment } from '../test-environment.ts';
import { cloudevents } from './adapter.ts';

const text = (value: string): TypedValue => ({ type: 'STRING', value });
const entry: InstanceValue = {
  name: 'newlog.istio-system',
  template: 'logentry',
  fields: {
    severity: text('warning'),
    timestamp: { type: 'TIMESTAMP', value: 1_600_000_000_123_456_000n },
    variables: new Map<string, TypedValue>([
      ['code', { type: 'INT64', value: 503n }],
      ['path', text('/Füße "x"')],
    ]),
    monitored_resource_type: text('global'),
  },
};
const edge: InstanceValue = {
  name: 'edge.istio-system',
  template: 'edge',
  fields: { timestamp: { type: 'TIMESTAMP', value: 0n }, sourceWorkloadName: text('a'), destinationWorkloadName: text('b') },
};
const expected = {
  specversion: '1.0',
  source: 'urn:xebec:mixer',
  type: 'io.xebec.mixer.logentry',
  subject: 'newlog.instance.istio-system',
  time: '2020-09-13T12:26:40.123456Z',
};
const data = {
  severity: 'warning',
  variables: { code: 503, path: '/Füße "x"' },
  monitoredResource: { type: 'global', dimensions: {} },
};

let peer: Awaited<ReturnType<typeof startHttpPeer>>;
beforeEach(async () => {
  peer = await startHttpPeer();
});
afterEach(() => peer.close());

async function send(params: object, ...instances: InstanceValue[]) {
  const { environment, counts } = testEnvironment({ clock: systemClock });
  const handler = configured(cloudevents, { url: `${peer.url}/events`, ...params }, environment);
  handler.report?.(instances);
  await handler.close();
  return counts;
}

describe('cloudevents', () => {
  it('sends structured events, each with an id', async () => {
    expect(await send({}, entry, edge)).toEqual({ delivered: 2, dropped: 0 });
    const events = peer.requests.map(({ body }): Record<string, unknown> => JSON.parse(body.toString()));
    expect(events.find(({ type }) => type === expected.type)).toEqual({
      ...expected,
      id: expect.stringMatching(/^[0-9a-f]{32}$/),
      datacontenttype: 'application/json',
      data,
    });
    expect(events.find(({ type }) => type === 'io.xebec.mixer.edge')?.['data']).toEqual({
      timestamp: '1970-01-01T00:00:00.000000Z',
      sourceWorkloadName: 'a',
      destinationWorkloadName: 'b',
    });
    expect(new Set(events.map(({ id }) => id)).size).toBe(2);
    expect(peer.requests[0]?.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8');
  });
  it('sends binary events with escaped attributes', async () => {
    await send({ mode: 'BINARY', source: 'urn:mesh %ü', typePrefix: '' }, entry);
    const [request] = peer.requests;
    expect(request?.headers).toMatchObject({
      'ce-specversion': '1.0',
      'ce-source': 'urn:mesh%20%25%C3%BC',
      'ce-type': 'logentry',
      'ce-subject': expected.subject,
      'ce-time': expected.time,
      'content-type': 'application/json',
    });
    expect(JSON.parse(request?.body.toString() ?? '')).toEqual(data);
  });
  it('sends batches', async () => {
    expect(await send({ mode: 'BATCH', headers: { 'x-token': 't' } }, entry, entry, edge)).toEqual({ delivered: 3, dropped: 0 });
    expect(peer.requests).toHaveLength(1);
    expect(peer.requests[0]?.headers).toMatchObject({
      'content-type': 'application/cloudevents-batch+json; charset=utf-8',
      'x-token': 't',
    });
    expect(JSON.parse(peer.requests[0]?.body.toString() ?? '')).toMatchObject([expected, expected, { type: 'io.xebec.mixer.edge' }]);
  });
  it('counts events that are refused', async () => {
    peer.answer.status = 415;
    expect(await send({}, entry, entry)).toEqual({ delivered: 0, dropped: 2 });
    expect(await send({ mode: 'BATCH' }, entry, entry)).toEqual({ delivered: 0, dropped: 2 });
  });
  it.each([
    [{ url: 'x' }, 'spec.params.url: "x" is not a URL: it starts with http:// or https://'],
    [{ url: 'http://x', mode: 'binary' }, 'spec.params.mode: "binary" is not one of "STRUCTURED", "BINARY", "BATCH"'],
    [{ url: 'http://x', headers: { 'a b': 'c' } }, expect.stringContaining('spec.params.headers')],
    [{ url: 'http://x', headers: { a: 'b\nc' } }, 'spec.params.headers.a: has control characters'],
  ])('says what is wrong with %j', (wrong, message) => {
    expect(cloudevents.check(wrong).map((violation) => `${violation.path}: ${violation.message}`)).toEqual([message]);
  });
});
