import { systemClock } from '@xebec/core';
import { parseIp, type TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { startHttpPeer } from '../delivery/http-peer.ts';
import { isSampled } from '../delivery/span.ts';
import { configured, testEnvironment } from '../test-environment.ts';
import { zipkin } from './adapter.ts';

const text = (value: string): TypedValue => ({ type: 'STRING', value });
const ip = (value: string): TypedValue => ({ type: 'IP_ADDRESS', value: parseIp(value) ?? new Uint8Array() });
const span = (fields: InstanceValue['fields']): InstanceValue => ({
  name: 'span.istio-system',
  template: 'tracespan',
  fields: {
    traceId: text('0AF7651916cd43dd8448eb211c80319c'),
    spanId: text('b7ad6b7169203331'),
    parentSpanId: text('00f067aa0ba902b7'),
    spanName: text('reviews.default.svc.cluster.local:9080/*'),
    startTime: { type: 'TIMESTAMP', value: 1_600_000_000_000_001_500n },
    endTime: { type: 'TIMESTAMP', value: 1_600_000_000_250_000_000n },
    httpStatusCode: { type: 'INT64', value: 503n },
    sourceName: text('productpage-v1'),
    sourceIp: ip('10.0.0.1'),
    destinationName: text('reviews-v1'),
    destinationIp: ip('2001:db8::1'),
    spanTags: new Map<string, TypedValue>([
      ['http.method', text('GET')],
      ['request.size', { type: 'INT64', value: 7n }],
    ]),
    ...fields,
  },
});

let peer: Awaited<ReturnType<typeof startHttpPeer>>;
beforeEach(async () => {
  peer = await startHttpPeer();
});
afterEach(() => peer.close());

async function sent(params: object, ...spans: InstanceValue[]) {
  const { environment, counts } = testEnvironment({ clock: systemClock });
  const handler = configured(zipkin, { url: peer.url, ...params }, environment);
  handler.report?.(spans);
  await handler.close();
  return { counts, spans: peer.requests.flatMap(({ body }): unknown[] => JSON.parse(body.toString())) };
}

describe('zipkin', () => {
  it('sends server spans that share the id of the caller', async () => {
    const { spans, counts } = await sent({ sample_probability: 1, headers: { authorization: 'Bearer t' } }, span({}));
    expect(spans).toEqual([
      {
        traceId: '0af7651916cd43dd8448eb211c80319c',
        id: 'b7ad6b7169203331',
        parentId: '00f067aa0ba902b7',
        name: 'reviews.default.svc.cluster.local:9080/*',
        kind: 'SERVER',
        timestamp: 1_600_000_000_000_001,
        duration: 249_999,
        shared: true,
        localEndpoint: { serviceName: 'reviews-v1', ipv6: '2001:db8::1' },
        remoteEndpoint: { serviceName: 'productpage-v1', ipv4: '10.0.0.1' },
        tags: { 'http.method': 'GET', 'request.size': '7', 'http.status_code': '503', error: '503' },
      },
    ]);
    expect(peer.requests[0]?.path).toBe('/api/v2/spans');
    expect(peer.requests[0]?.headers).toMatchObject({ 'content-type': 'application/json', authorization: 'Bearer t' });
    expect(counts).toEqual({ delivered: 1, dropped: 0 });
  });
  it('gives client spans an id of their own when told to, above the server span', async () => {
    const rewrite: TypedValue = { type: 'BOOL', value: true };
    const { spans } = await sent(
      { sampleProbability: 1 },
      span({ clientSpan: rewrite, rewriteClientSpanId: rewrite }),
      span({ rewriteClientSpanId: rewrite }),
    );
    const [client, server] = spans as { id: string; parentId: string; kind: string; shared?: boolean }[];
    expect(client).toMatchObject({ kind: 'CLIENT', parentId: '00f067aa0ba902b7', localEndpoint: { serviceName: 'productpage-v1' } });
    expect(server).toMatchObject({ kind: 'SERVER', id: 'b7ad6b7169203331', parentId: client?.id });
    expect(client?.id).not.toBe(server?.id);
    expect(server).not.toHaveProperty('shared');
  });
  it('drops and counts spans that no trace can have, and sends none by default', async () => {
    const malformed = [span({ traceId: text('xyz') }), span({ spanId: text('0'.repeat(16)) }), span({ startTime: text('x') })];
    const { spans, counts } = await sent({ sampleProbability: 1 }, ...malformed);
    expect([spans, counts]).toEqual([[], { delivered: 0, dropped: 3 }]);
    expect((await sent({}, span({}))).spans).toEqual([]);
  });
  it('samples whole traces', () => {
    const ids = Array.from({ length: 2_000 }, (_, i) => (BigInt(i + 1) * 0x9e3779b97f4a7c15n).toString(16).slice(-16).padStart(16, '0'));
    const kept = ids.filter((id) => isSampled(id, 0.25));
    expect(kept.length).toBeGreaterThan(400);
    expect(kept.length).toBeLessThan(600);
    expect(kept.every((id) => isSampled(`${'1'.repeat(16)}${id}`, 0.25))).toBe(true);
  });
  it('counts what Zipkin refuses, and tries again what it could not take', async () => {
    peer.answer.status = 400;
    expect((await sent({ sampleProbability: 1 }, span({}))).counts).toEqual({ delivered: 0, dropped: 1 });
    peer.answer.status = 503;
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const handler = configured(zipkin, { url: peer.url, sampleProbability: 1 }, environment);
    handler.report?.(Array.from({ length: 500 }, () => span({})));
    await vi.waitFor(() => expect(peer.requests.length).toBeGreaterThan(2), { timeout: 5_000 });
    peer.answer.status = 202;
    await vi.waitFor(() => expect(counts).toEqual({ delivered: 500, dropped: 0 }), { timeout: 5_000 });
    await handler.close();
  });
  it.each([
    [{}, 'spec.params.url: required field is missing'],
    [{ url: 'zipkin:9411' }, 'spec.params.url: "zipkin:9411" is not a URL: it starts with http:// or https://'],
    [{ url: 'http://u:p@zipkin' }, 'spec.params.url: a URL with credentials is not taken; write them into headers'],
    [{ url: 'http://zipkin', sampleProbability: 1.5 }, 'spec.params.sampleProbability: 1.5 is greater than 1'],
  ])('says what is wrong with %j', (wrong, message) => {
    expect(zipkin.check(wrong).map((violation) => `${violation.path}: ${violation.message}`)).toEqual([message]);
  });
});
