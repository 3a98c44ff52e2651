import { seededRandom, silentLogger, VirtualClock } from '@xebec/core';
import { describe, expect, it } from 'vitest';
import { testStreamInfo } from '../test-stream-info.ts';
import { decideTrace, newRequestId, traceReason, withTraceReason } from './request-id.ts';
import type { FinishedSpan } from './span.ts';
import { SpanReporter } from './span-reporter.ts';
import { extractSampled, extractTrace, injectTrace } from './trace-context.ts';
import { createTracer, type TracerOptions } from './tracer.ts';

const traceId = '463ac35c9f6413ad48485a3953bb6124';
const spanId = 'a2fb4a1d1a96d312';
const request = (headers: string[]) => ({ method: 'GET', path: '/p?q', authority: 'h', scheme: 'http', headers });

describe('trace context', () => {
  it.each<[string, string[], boolean | undefined]>([
    ['b3 multi', ['x-b3-traceid', traceId, 'x-b3-spanid', spanId, 'x-b3-sampled', '1'], true],
    ['b3 multi, open', ['x-b3-traceid', traceId, 'x-b3-spanid', spanId], undefined],
    ['b3 single', ['b3', `${traceId}-${spanId}-0`], false],
    ['b3 debug', ['b3', `${traceId}-${spanId}-d-${spanId}`], true],
    ['w3c', ['traceparent', `00-${traceId}-${spanId}-01`, 'tracestate', 'a=b'], true],
  ])('reads %s', (_, headers, sampled) => expect(extractTrace(headers, 'b3-and-w3c')).toMatchObject({ traceId, spanId, sampled }));
  it.each([
    [['x-b3-traceid', 'nonsense', 'x-b3-spanid', spanId]],
    [['traceparent', `00-${'0'.repeat(32)}-${spanId}-01`]],
    [['traceparent', `ff-${traceId}-${spanId}-01`]],
    [['traceparent', `00-${traceId}-${spanId}-01-more`]],
    [['b3', '']],
    [['b3', `${traceId}-${spanId}-7`]],
  ])('takes no part in the trace of %j', (headers) => expect(extractTrace(headers, 'b3-and-w3c')).toBe('malformed'));
  it('reads no W3C unless it is asked to, and no B3 where W3C is spoken', () => {
    expect(extractTrace(['traceparent', `00-${traceId}-${spanId}-01`], 'b3')).toBeUndefined();
    expect(extractTrace(['b3', `${traceId}-${spanId}-1`], 'w3c')).toBeUndefined();
  });
  it('reads a lone decision', () => {
    expect([extractSampled(['b3', '0']), extractSampled(['x-b3-sampled', '1']), extractSampled([])]).toEqual([false, true, undefined]);
  });
  it('writes what it reads', () => {
    const context = { traceId, spanId, parentSpanId: undefined, sampled: true, debug: false, traceState: undefined };
    for (const propagation of ['b3', 'b3-and-w3c', 'w3c'] as const) {
      const headers: string[] = [];
      injectTrace(headers, context, propagation);
      expect(extractTrace(headers, propagation)).toMatchObject({ traceId, spanId, sampled: true });
    }
    const single = ['b3', '0'];
    injectTrace(single, context, 'b3');
    expect(single).toEqual(['b3', `${traceId}-${spanId}-1`]);
  });
});

describe('request id', () => {
  const random = seededRandom(3);
  it('is a UUID whose version digit says why it is traced', () => {
    const id = newRequestId(random);
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    for (const reason of ['none', 'sampled', 'forced', 'client'] as const) expect(traceReason(withTraceReason(id, reason))).toBe(reason);
    expect(withTraceReason('mine', 'sampled')).toBe('mine');
  });
  it('decides once for all proxies', () => {
    const id = newRequestId(random);
    const all = { client: 1, random: 1, overall: 1 };
    expect(decideTrace([], id, all, random)).toBe('sampled');
    expect(decideTrace([], withTraceReason(id, 'sampled'), { ...all, random: 0 }, random)).toBe('sampled');
    expect(decideTrace(['x-envoy-force-trace', '1'], id, { ...all, random: 0 }, random)).toBe('forced');
    expect(decideTrace(['x-client-trace-id', '1'], id, all, random)).toBe('client');
    expect(decideTrace([], id, { ...all, overall: 0 }, random)).toBe('none');
  });
});

describe('tracer', () => {
  const spans: FinishedSpan[] = [];
  const clock = new VirtualClock(1000);
  const options: TracerOptions = {
    clock,
    random: seededRandom(5),
    report: (span) => spans.push(span),
    propagation: 'b3',
    nodeId: 'node',
    traceId128Bit: true,
    sharedSpanContext: false,
    maxPathTagLength: 2,
    customTags: new Map([['istio.mesh_id', () => 'cluster.local']]),
  };
  it('chains client and server spans', () => {
    const tracer = createTracer(options);
    const client = tracer.startSpan({ kind: 'CLIENT', name: 'reviews:9080/*', request: request([]), sampled: true });
    const headers: string[] = [];
    client?.inject(headers);
    const server = tracer.startSpan({ kind: 'SERVER', name: 'reviews:9080/*', request: request(headers), sampled: false });
    clock.advance(5);
    server?.finish({ info: testStreamInfo(), request: request(headers) });
    client?.finish({ info: testStreamInfo({ responseCode: 503, responseFlags: new Set(['UH']) }), request: request([]) });
    client?.finish({ info: testStreamInfo() });
    expect(spans).toHaveLength(2);
    expect(spans[0]).toMatchObject({ kind: 'SERVER', traceId: spans[1]?.traceId, parentId: spans[1]?.id, durationMs: 5 });
    expect(spans[1]?.tags).toMatchObject({
      'http.url': 'http://h/p',
      'http.status_code': '503',
      response_flags: 'UH',
      error: 'true',
      'istio.mesh_id': 'cluster.local',
    });
  });
  it('forgets spans that are not sampled but passes the decision on', () => {
    const before = spans.length;
    const span = createTracer(options).startSpan({ kind: 'CLIENT', name: 'n', request: request(['x-b3-sampled', '0']), sampled: true });
    const headers: string[] = [];
    span?.inject(headers);
    span?.finish({ info: testStreamInfo() });
    expect(headers.slice(-2)).toEqual(['x-b3-sampled', '0']);
    expect(spans).toHaveLength(before);
  });
  it('reports in batches of Zipkin v2 JSON', async () => {
    const bodies: string[] = [];
    const reporter = new SpanReporter({
      local: { serviceName: 'productpage.default', address: '10.0.0.1' },
      transport: async (body) => void bodies.push(body.toString()),
      clock,
      logger: silentLogger,
      maxBatch: 2,
    });
    for (const span of [...spans, ...spans.slice(0, 1)]) reporter.report(span);
    clock.advance(1000);
    expect(bodies).toHaveLength(2);
    expect(JSON.parse(bodies[0] ?? '')[0]).toMatchObject({
      traceId: spans[0]?.traceId,
      kind: 'SERVER',
      timestamp: 1_000_000,
      duration: 5000,
      localEndpoint: { serviceName: 'productpage.default', ipv4: '10.0.0.1' },
      tags: { component: 'proxy' },
    });
    await Promise.resolve();
    expect(reporter.sent).toBe(3);
    expect(clock.pending).toBe(0);
  });
});
