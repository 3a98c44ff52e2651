import { type DescMessage, fromBinary, fromJson, type JsonValue, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import { systemClock, VirtualClock } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { ExportLogsServiceRequestSchema } from '@xebec/protos/opentelemetry/proto/collector/logs/v1/logs_service';
import {
  type ExportMetricsServiceRequest,
  ExportMetricsServiceRequestSchema,
  MetricsService,
} from '@xebec/protos/opentelemetry/proto/collector/metrics/v1/metrics_service';
import { type ExportTraceServiceRequest, TraceService } from '@xebec/protos/opentelemetry/proto/collector/trace/v1/trace_service';
import { serviceDefinition } from '@xebec/rpc';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { startHttpPeer } from '../delivery/http-peer.ts';
import { configured, testEnvironment } from '../test-environment.ts';
import { opentelemetry } from './adapter.ts';
import { MetricPoints } from './metric-points.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A collector that keeps what it gets; `fail` answers instead when it is set. */
async function startCollector() {
  const received: { traces: ExportTraceServiceRequest[]; metrics: ExportMetricsServiceRequest[] } = { traces: [], metrics: [] };
  const behaviour = { fail: undefined as { code: number; details: string } | undefined, rejectedSpans: 0n, token: '', failures: 0 };
  const server = new Server();
  const keep =
    <T>(list: T[], answer: () => object) =>
    (call: ServerUnaryCall<T, object>, callback: sendUnaryData<object>) => {
      behaviour.token = String(call.metadata.get('x-token')[0] ?? '');
      if (behaviour.fail !== undefined) {
        behaviour.failures++;
        return callback(behaviour.fail);
      }
      list.push(call.request);
      callback(null, answer());
    };
  const encoded = (service: typeof TraceService | typeof MetricsService, message: object): Uint8Array => {
    const { output } = service.method.export;
    return toBinary(output as DescMessage, { $typeName: output.typeName, ...message } as MessageShape<DescMessage>);
  };
  server.addService(serviceDefinition(TraceService), {
    Export: keep(received.traces, () =>
      encoded(TraceService, {
        partialSuccess: {
          $typeName: 'opentelemetry.proto.collector.trace.v1.ExportTracePartialSuccess',
          rejectedSpans: behaviour.rejectedSpans,
          errorMessage: '',
        },
      }),
    ),
  });
  server.addService(serviceDefinition(MetricsService), { Export: keep(received.metrics, () => encoded(MetricsService, {})) });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  cleanups.push(() => server.forceShutdown());
  return { endpoint: `127.0.0.1:${port}`, received, behaviour };
}

const text = (value: string): TypedValue => ({ type: 'STRING', value });
const int = (value: bigint): TypedValue => ({ type: 'INT64', value });
const span = (destination: string): InstanceValue => ({
  name: 'span.istio-system',
  template: 'tracespan',
  fields: {
    traceId: text('8448eb211c80319c'),
    spanId: text('b7ad6b7169203331'),
    parentSpanId: text('00f067aa0ba902b7'),
    spanName: text('GET /reviews'),
    startTime: { type: 'TIMESTAMP', value: 1_600_000_000_000_000_001n },
    endTime: { type: 'TIMESTAMP', value: 1_600_000_000_250_000_002n },
    httpStatusCode: int(500n),
    destinationName: text(destination),
    spanTags: new Map([['size', int(7n)]]),
  },
});
const metric = (name: string, value: TypedValue, zone: string): InstanceValue => ({
  name: `${name}.istio-system`,
  template: 'metric',
  fields: { value, dimensions: new Map([['zone', text(zone)]]) },
});

describe('opentelemetry', () => {
  it('sends spans by gRPC, each workload as a resource', async () => {
    const { endpoint, received, behaviour } = await startCollector();
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const params = { endpoint, headers: { 'x-token': 't' }, resource: { 'deployment.environment': 'test' } };
    const handler = configured(opentelemetry, params, environment);
    handler.report?.([span('reviews-v1'), span('ratings-v1'), span('reviews-v1')]);
    await handler.close();
    expect(counts).toEqual({ delivered: 3, dropped: 0 });
    expect(behaviour.token).toBe('t');
    const [request] = received.traces;
    const resources = request?.resourceSpans.map(({ resource, scopeSpans }) => [
      Object.fromEntries(resource?.attributes.map(({ key, value }) => [key, value?.value.value]) ?? []),
      scopeSpans[0]?.spans.length,
    ]);
    expect(resources).toEqual([
      [{ 'service.name': 'reviews-v1', 'deployment.environment': 'test' }, 2],
      [{ 'service.name': 'ratings-v1', 'deployment.environment': 'test' }, 1],
    ]);
    const first = request?.resourceSpans[0]?.scopeSpans[0]?.spans[0];
    expect(first).toMatchObject({
      name: 'GET /reviews',
      kind: 2,
      startTimeUnixNano: 1_600_000_000_000_000_001n,
      endTimeUnixNano: 1_600_000_000_250_000_002n,
      status: { code: 2 },
    });
    expect(Buffer.from(first?.traceId ?? []).toString('hex')).toBe(`${'0'.repeat(16)}8448eb211c80319c`);
    expect(Buffer.from(first?.parentSpanId ?? []).toString('hex')).toBe('00f067aa0ba902b7');
    expect(first?.attributes.map(({ key, value }) => [key, value?.value.value])).toEqual([
      ['size', 7n],
      ['http.response.status_code', 500n],
    ]);
  });
  it('counts spans that are refused, and tries again what is only late', async () => {
    const { endpoint, received, behaviour } = await startCollector();
    const { environment, counts } = testEnvironment({ clock: systemClock });
    behaviour.rejectedSpans = 1n;
    const partly = configured(opentelemetry, { endpoint }, environment);
    partly.report?.([span('a'), span('a')]);
    await partly.close();
    expect(counts).toEqual({ delivered: 1, dropped: 1 });
    behaviour.rejectedSpans = 0n;
    behaviour.fail = { code: status.INVALID_ARGUMENT, details: 'malformed' };
    const refused = configured(opentelemetry, { endpoint }, environment);
    refused.report?.([span('a')]);
    await refused.close();
    expect(counts).toEqual({ delivered: 1, dropped: 2 });
    behaviour.fail = { code: status.UNAVAILABLE, details: 'busy' };
    const late = configured(opentelemetry, { endpoint }, environment);
    late.report?.(Array.from({ length: 512 }, () => span('a')));
    await vi.waitFor(() => expect(behaviour.failures).toBeGreaterThan(2));
    behaviour.fail = undefined;
    await vi.waitFor(() => expect(counts.delivered).toBe(513), { timeout: 10_000 });
    expect(received.traces.at(-1)?.resourceSpans[0]?.scopeSpans[0]?.spans).toHaveLength(512);
    await late.close();
  });
  it('exports metrics as they add up, and what one export did not bring, the next does', async () => {
    const { endpoint, received, behaviour } = await startCollector();
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const params = {
      endpoint,
      metricsInterval: '20ms',
      metrics: [
        { instance_name: 'calls', name: 'mesh.calls', kind: 'COUNTER', description: 'Calls.' },
        { instanceName: 'took.metric.istio-system', name: 'mesh.took', kind: 'DISTRIBUTION', bounds: [0.1, 1] },
        { instanceName: 'open', name: 'mesh.open', kind: 'GAUGE', unit: '{connection}' },
      ],
    };
    behaviour.fail = { code: status.UNAVAILABLE, details: 'busy' };
    const handler = configured(opentelemetry, params, environment);
    handler.report?.([metric('calls', int(2n), 'a'), metric('calls', int(3n), 'a'), metric('calls', int(1n), 'b')]);
    await vi.waitFor(() => expect(behaviour.failures).toBeGreaterThan(0));
    behaviour.fail = undefined;
    handler.report?.([
      metric('took', { type: 'DURATION', value: 250_000_000n }, 'a'),
      metric('took', { type: 'DURATION', value: 5_000_000_000n }, 'a'),
      metric('open', { type: 'DOUBLE', value: 1.5 }, 'a'),
      metric('calls', int(-1n), 'a'),
      metric('other', int(1n), 'a'),
    ]);
    await handler.close();
    expect(counts).toEqual({ delivered: 6, dropped: 0 });
    const metrics = new Map(received.metrics.at(-1)?.resourceMetrics[0]?.scopeMetrics[0]?.metrics.map((one) => [one.name, one]));
    const calls = metrics.get('mesh.calls')?.data;
    expect(calls?.case === 'sum' && [calls.value.isMonotonic, calls.value.aggregationTemporality]).toEqual([true, 2]);
    expect(calls?.case === 'sum' && calls.value.dataPoints.map(({ value }) => value.value)).toEqual([5n, 1n]);
    expect(metrics.get('mesh.took')).toMatchObject({
      unit: 's',
      data: { value: { dataPoints: [{ count: 2n, sum: 5.25, bucketCounts: [0n, 1n, 1n], explicitBounds: [0.1, 1], min: 0.25, max: 5 }] } },
    });
    expect(metrics.get('mesh.open')).toMatchObject({
      unit: '{connection}',
      data: { case: 'gauge', value: { dataPoints: [{ value: { case: 'asDouble', value: 1.5 } }] } },
    });
  });
  it.each(['HTTP_JSON', 'HTTP_PROTOBUF'])('sends logs and metrics by %s', async (protocol) => {
    const peer = await startHttpPeer();
    cleanups.push(() => peer.close());
    const { environment, counts } = testEnvironment({ clock: systemClock });
    const params = { endpoint: peer.url, protocol, metrics: [{ instanceName: 'calls', name: 'calls', kind: 'COUNTER' }] };
    const handler = configured(opentelemetry, params, environment);
    handler.report?.([
      {
        name: 'newlog.istio-system',
        template: 'logentry',
        fields: {
          severity: text('warning'),
          timestamp: { type: 'TIMESTAMP', value: 1_600_000_000_000_000_001n },
          variables: new Map<string, TypedValue>([
            ['path', text('/a')],
            ['mtls', { type: 'BOOL', value: true }],
            ['labels', { type: 'STRING_MAP', value: new Map([['app', 'x']]) }],
            ['took', { type: 'DURATION', value: 1_500_000n }],
          ]),
        },
      },
      metric('calls', int(1n), 'a'),
    ]);
    await handler.close();
    expect(counts).toEqual({ delivered: 2, dropped: 0 });
    const decode = <D extends DescMessage>(desc: D, path: string): MessageShape<D> => {
      const request = peer.requests.find((one) => one.path === path);
      if (request === undefined) throw new Error(`nothing at ${path}`);
      return protocol === 'HTTP_JSON' ? fromJson(desc, JSON.parse(request.body.toString()) as JsonValue) : fromBinary(desc, request.body);
    };
    expect(decode(ExportMetricsServiceRequestSchema, '/v1/metrics').resourceMetrics).toHaveLength(1);
    const record = decode(ExportLogsServiceRequestSchema, '/v1/logs').resourceLogs[0]?.scopeLogs[0]?.logRecords[0];
    expect(record).toMatchObject({
      timeUnixNano: 1_600_000_000_000_000_001n,
      severityNumber: 13,
      severityText: 'warning',
      eventName: 'newlog.instance.istio-system',
    });
    expect(record?.attributes.map(({ key, value }) => [key, value?.value.case])).toEqual([
      ['path', 'stringValue'],
      ['mtls', 'boolValue'],
      ['labels', 'kvlistValue'],
      ['took', 'stringValue'],
    ]);
  });
  it('has ids in hexadecimal in JSON', async () => {
    const peer = await startHttpPeer();
    cleanups.push(() => peer.close());
    const handler = configured(
      opentelemetry,
      { endpoint: `${peer.url}/`, protocol: 'HTTP_JSON' },
      testEnvironment({ clock: systemClock }).environment,
    );
    handler.report?.([span('a')]);
    await handler.close();
    const body = peer.requests[0]?.body.toString() ?? '';
    expect(peer.requests[0]?.path).toBe('/v1/traces');
    expect(body).toContain('"spanId":"b7ad6b7169203331","parentSpanId":"00f067aa0ba902b7"');
    expect(body).toContain('"kind":2');
  });
  it.each([
    [{}, 'spec.params.endpoint: required field is missing'],
    [{ endpoint: 'collector' }, expect.stringContaining('"collector" is not an address')],
    [{ endpoint: 'http://c:4318/v1', protocol: 'GRPC' }, expect.stringContaining('has a path, which gRPC does not know')],
    [{ endpoint: 'c:4318', protocol: 'HTTP_JSON' }, expect.stringContaining('"c:4318" is not a URL')],
    [
      { endpoint: 'c:1', metrics: [{ instanceName: 'a', name: 'b', kind: 'DISTRIBUTION', bounds: [2, 1] }] },
      'spec.params.metrics[0].bounds: bounds go up from one to the next',
    ],
    [
      { endpoint: 'c:1', metrics: [{ instanceName: 'a', name: '1', kind: 'GAUGE' }] },
      expect.stringContaining('spec.params.metrics[0].name'),
    ],
  ])('says what is wrong with %j', (wrong, message) => {
    expect(opentelemetry.check(wrong).map((violation) => `${violation.path}: ${violation.message}`)).toEqual([message]);
  });
});

describe('points of a metric', () => {
  it('are bounded: what is more goes into one series', () => {
    const clock = new VirtualClock(1_000);
    const points = new MetricPoints({ instanceName: 'a', name: 'a', kind: 'COUNTER', description: '' }, 0n);
    for (let i = 0; i < 3_000; i++) points.record(int(1n), new Map([['user', text(String(i))]]));
    const data = points.collect(BigInt(clock.now()))?.data;
    const series = data?.case === 'sum' ? data.value.dataPoints : [];
    expect(series).toHaveLength(2_000);
    expect(series.at(-1)).toMatchObject({ attributes: [{ key: 'otel.metric.overflow' }], value: { value: 1_001n } });
  });
});
