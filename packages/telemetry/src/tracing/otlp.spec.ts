import { fromBinary } from '@bufbuild/protobuf';
import { ExportTraceServiceRequestSchema } from '@xebec/protos/opentelemetry/proto/collector/trace/v1/trace_service';
import { expect, it } from 'vitest';
import { encodeOtlp } from './otlp.ts';
import type { FinishedSpan } from './span.ts';

const span: FinishedSpan = {
  traceId: '463ac35c9f6413ad48485a3953bb6124',
  id: 'a2fb4a1d1a96d312',
  parentId: '00f067aa0ba902b7',
  name: 'op',
  kind: 'SERVER',
  startMs: 1000.5,
  durationMs: 2,
  tags: { component: 'proxy', 'http.status_code': '500', error: 'true' },
  traceState: 'a=b',
  remoteParent: true,
};
const resource = { attributes: { 'service.name': 'svc' }, scopeName: 'xebec', scopeVersion: '1' };

function decode(spans: readonly FinishedSpan[]) {
  const request = fromBinary(ExportTraceServiceRequestSchema, encodeOtlp(spans, resource));
  return request.resourceSpans[0];
}

it('writes ids as bytes, times in nanoseconds, the remote parent and the error as flags and status', () => {
  const encoded = decode([span])?.scopeSpans[0]?.spans[0];
  expect(encoded).toMatchObject({
    name: 'op',
    kind: 2,
    traceState: 'a=b',
    startTimeUnixNano: 1_000_500_000n,
    endTimeUnixNano: 1_002_500_000n,
    flags: 0x301,
    status: { code: 2 },
  });
  expect(Buffer.from(encoded?.traceId ?? []).toString('hex')).toBe(span.traceId);
  expect(Buffer.from(encoded?.spanId ?? []).toString('hex')).toBe(span.id);
  expect(Buffer.from(encoded?.parentSpanId ?? []).toString('hex')).toBe(span.parentId);
});

it('names the service, and leaves status and parent out where there is none', () => {
  const { traceState: _, remoteParent: __, ...rest } = span;
  const encoded = decode([{ ...rest, parentId: undefined, tags: { component: 'proxy' } }]);
  expect(encoded?.resource?.attributes).toMatchObject([{ key: 'service.name', value: { value: { value: 'svc' } } }]);
  expect(encoded?.scopeSpans[0]?.spans[0]).toMatchObject({ flags: 0x101, parentSpanId: new Uint8Array() });
  expect(encoded?.scopeSpans[0]?.spans[0]?.status).toBeUndefined();
});

it.each<[FinishedSpan['kind'], Record<string, string>, number | undefined]>([
  ['SERVER', { 'http.status_code': '404' }, undefined],
  ['CLIENT', { 'http.status_code': '404' }, 2],
  ['SERVER', { 'http.status_code': '200', 'grpc.status_code': '5' }, 0],
  ['CLIENT', { 'http.status_code': '200', 'grpc.status_code': '5' }, 2],
  ['SERVER', { 'http.status_code': '200', 'grpc.status_code': '14' }, 2],
])('says whether a %s span with %j has failed', (kind, tags, code) => {
  expect(decode([{ ...span, kind, tags }])?.scopeSpans[0]?.spans[0]?.status?.code).toBe(code);
});
