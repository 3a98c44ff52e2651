import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../src/daemon-process.ts';
import { startZipkin, type Zipkin } from '../src/zipkin.ts';
import { configuration } from './configuration.ts';
import { reviewsCall, startMixer, text } from './mixer.ts';
import { type Collector, startCollector, startEventReceiver, startFluentServer, startStatsd } from './peers.ts';

const cleanups: (() => unknown)[] = [];
let collector: Collector;
let statsd: Awaited<ReturnType<typeof startStatsd>>;
let fluent: Awaited<ReturnType<typeof startFluentServer>>;
let zipkin: Zipkin;
let receiver: Awaited<ReturnType<typeof startEventReceiver>>;
let mixer: Awaited<ReturnType<typeof startMixer>>;

/** One request, seen by both proxies. */
const outbound = { 'context.reporter.kind': text('outbound') };
const PATH = '/reviews/0?user="x" ü';

beforeAll(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'xebec-telemetry-peers-'));
  cleanups.push(() => rm(directory, { recursive: true, force: true }));
  collector = await startCollector(directory);
  cleanups.push(() => collector.stop());
  statsd = await startStatsd(directory);
  cleanups.push(() => statsd.stop());
  fluent = await startFluentServer();
  cleanups.push(() => fluent.stop());
  receiver = await startEventReceiver();
  cleanups.push(() => receiver.stop());
  zipkin = await startZipkin('127.0.0.1');
  cleanups.push(() => zipkin.stop());
  mixer = await startMixer(
    configuration({
      fluentd: `127.0.0.1:${collector.fluentd}`,
      fluent: fluent.address,
      statsd: `127.0.0.1:${statsd.port}`,
      otlpGrpc: `127.0.0.1:${collector.grpc}`,
      otlpHttp: `http://127.0.0.1:${collector.http}`,
      zipkin: `http://127.0.0.1:${zipkin.port}`,
      events: receiver.url,
    }),
  );
  cleanups.push(() => mixer.stop());
  await mixer.report([reviewsCall(), reviewsCall(outbound)]);
}, 1_200_000);
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

type Attributes = readonly { readonly key: string; readonly value: Record<string, unknown> }[];
/** OTLP's attributes as an object: the one value of each. */
const plain = (attributes: Attributes | undefined) =>
  Object.fromEntries((attributes ?? []).map(({ key, value }) => [key, Object.values(value)[0]]));

interface Otlp {
  readonly resourceSpans?: readonly {
    resource: { attributes: Attributes };
    scopeSpans: readonly { spans: readonly Record<string, unknown>[] }[];
  }[];
  readonly resourceLogs?: readonly {
    resource: { attributes?: Attributes };
    scopeLogs: readonly { logRecords: readonly Record<string, unknown>[] }[];
  }[];
  readonly resourceMetrics?: readonly {
    resource: { attributes: Attributes };
    scopeMetrics: readonly { metrics: readonly Record<string, unknown>[] }[];
  }[];
}
const collected = async () => (await collector.received()) as readonly Otlp[]; // what the file exporter writes

describe('what is reported once arrives', () => {
  it('at a server of the forward protocol', async () => {
    const records = await eventually('two entries', async () => {
      const logs = (await collected()).flatMap(({ resourceLogs }) => resourceLogs ?? []);
      const all = logs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
      const own = all.filter(({ attributes }) => 'fluent.tag' in plain(attributes as Attributes));
      return own.length === 2 ? own : undefined;
    });
    for (const record of records) {
      expect(record['timeUnixNano']).toBe('1790000000000000000');
      expect(plain(record['attributes'] as Attributes)).toEqual({
        'fluent.tag': 'newlog.instance.istio-system',
        latency: '60.848ms',
        mtls: true,
        path: PATH,
        responseCode: '503',
        severity: 'warning',
        source: 'productpage-v1',
        sourceIp: '10.0.0.1',
      });
    }
  });
  it("at the server of the Fluent project's own library, without answers", async () => {
    const events = await eventually('two entries', () => {
      const all = fluent.events();
      return all.length === 2 ? all : undefined;
    });
    const record = {
      latency: '60.848ms',
      mtls: true,
      path: PATH,
      responseCode: 503,
      severity: 'warning',
      source: 'productpage-v1',
      sourceIp: '10.0.0.1',
    };
    const event = { tag: 'newlog.instance.istio-system', epoch: 1_790_000_000, nano: 0, record };
    expect(events).toEqual([event, event]);
  });
  it('at statsd', async () => {
    const counters = await eventually('the counter', async () => {
      const values = await statsd.values('counters');
      return values['mesh.reviews-v1-503'] === 2 ? values : undefined;
    });
    expect(counters['statsd.bad_lines_seen']).toBe(0);
    expect((await statsd.values('timers'))['mesh.took.reviews-v1']).toEqual([60.848, 60.848]);
  });
  it.each([
    ['gRPC', undefined],
    ['HTTP', 'http'],
  ])('at an OpenTelemetry collector by %s', async (_, environment) => {
    const ours = (resource: { attributes?: Attributes } | undefined) =>
      plain(resource?.attributes)['deployment.environment'] === environment;
    const spans = await eventually('both spans', async () => {
      const resources = (await collected()).flatMap(({ resourceSpans }) => resourceSpans ?? []).filter(({ resource }) => ours(resource));
      const found = resources.flatMap(({ resource, scopeSpans }) =>
        scopeSpans.flatMap((scope) =>
          scope.spans.map((span): Record<string, unknown> => ({ service: plain(resource.attributes)['service.name'], ...span })),
        ),
      );
      return found.length === 2 ? found : undefined;
    });
    const common = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      parentSpanId: '00f067aa0ba902b7',
      name: 'reviews.default.svc.cluster.local',
      startTimeUnixNano: '1790000000000000000',
      endTimeUnixNano: '1790000000060848000',
      status: { code: 2 },
    };
    expect(spans.find(({ kind }) => kind === 2)).toMatchObject({ ...common, service: 'reviews-v1' });
    expect(spans.find(({ kind }) => kind === 3)).toMatchObject({ ...common, service: 'productpage-v1' });
    expect(plain(spans.find(({ kind }) => kind === 2)?.['attributes'] as Attributes)).toEqual({
      'http.method': 'GET',
      'http.path': PATH,
      'http.response.status_code': '503',
      'http.request.size': '0',
      'http.response.size': '375',
      'network.local.address': '10.0.0.7',
      'network.peer.address': '10.0.0.1',
      'service.peer.name': 'productpage-v1',
    });
    const logs = await eventually('all log records', async () => {
      const found = (await collected())
        .flatMap(({ resourceLogs }) => resourceLogs ?? [])
        .filter(({ resource }) => ours(resource) && plain(resource.attributes)['service.name'] === 'xebec-mixer')
        .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
      return found.length === 4 ? found : undefined;
    });
    const entry = logs.find(({ eventName }) => eventName === 'newlog.instance.istio-system');
    expect(entry).toMatchObject({ timeUnixNano: '1790000000000000000', severityNumber: 13, severityText: 'warning' });
    expect(plain(entry?.['attributes'] as Attributes)).toMatchObject({ responseCode: '503', mtls: true, latency: '60.848ms', path: PATH });
    expect(plain(logs.find(({ eventName }) => eventName === 'edge.instance.istio-system')?.['attributes'] as Attributes)).toEqual({
      sourceWorkloadName: 'productpage-v1',
      sourceWorkloadNamespace: 'default',
      destinationWorkloadName: 'reviews-v1',
      destinationServiceName: 'reviews.default.svc.cluster.local',
      contextProtocol: 'http',
    });
    const metrics = await eventually('the metrics', async () => {
      const messages = (await collected()).flatMap(({ resourceMetrics }) => resourceMetrics ?? []).filter(({ resource }) => ours(resource));
      return messages.at(-1)?.scopeMetrics[0]?.metrics;
    });
    expect(metrics.find(({ name }) => name === 'mesh.calls')).toMatchObject({
      sum: { isMonotonic: true, aggregationTemporality: 2, dataPoints: [{ asInt: '2' }] },
    });
    expect(metrics.find(({ name }) => name === 'mesh.took')).toMatchObject({
      unit: 's',
      histogram: { dataPoints: [{ count: '2', sum: 0.121696, bucketCounts: ['0', '2', '0', '0'], explicitBounds: [0.05, 0.1, 1] }] },
    });
  });
  it('at Zipkin, as one span of two proxies', async () => {
    const trace = await eventually('the trace', async () => {
      const response = await fetch(`http://127.0.0.1:${zipkin.port}/api/v2/trace/0af7651916cd43dd8448eb211c80319c`);
      const spans = response.ok ? ((await response.json()) as Record<string, unknown>[]) : [];
      return spans.length === 2 ? spans : undefined;
    });
    const common = {
      id: 'b7ad6b7169203331',
      parentId: '00f067aa0ba902b7',
      name: 'reviews.default.svc.cluster.local',
      timestamp: 1_790_000_000_000_000,
      duration: 60_848,
      tags: {
        'http.method': 'GET',
        'http.path': PATH,
        'http.status_code': '503',
        error: '503',
        'request.size': '0',
        'response.size': '375',
      },
    };
    const productpage = { serviceName: 'productpage-v1', ipv4: '10.0.0.1' };
    const reviews = { serviceName: 'reviews-v1', ipv4: '10.0.0.7' };
    expect(trace.find(({ kind }) => kind === 'SERVER')).toMatchObject({
      ...common,
      shared: true,
      localEndpoint: reviews,
      remoteEndpoint: productpage,
    });
    expect(trace.find(({ kind }) => kind === 'CLIENT')).toMatchObject({ ...common, localEndpoint: productpage, remoteEndpoint: reviews });
  });
  it.each(['structured', 'binary', 'batch'])('as %s CloudEvents', async (mode) => {
    const events = await eventually('ten events', () => {
      const own = receiver.events().filter((event) => event['mode'] === mode);
      return own.length === 10 ? own : undefined;
    });
    expect(new Set(events.map(({ id }) => id)).size).toBe(10);
    expect(events.find(({ type }) => type === 'io.xebec.mixer.logentry')).toMatchObject({
      specversion: '1.0',
      source: `urn:mesh:${mode.toUpperCase()}`,
      subject: 'newlog.instance.istio-system',
      data: {
        severity: 'warning',
        variables: { source: 'productpage-v1', sourceIp: '10.0.0.1', path: PATH, responseCode: 503, latency: '60.848ms', mtls: true },
      },
    });
    expect(events.find(({ type }) => type === 'io.xebec.mixer.edge')?.['data']).toMatchObject({ destinationWorkloadName: 'reviews-v1' });
    expect(receiver.output()).not.toContain('refused');
  });
  it('and is counted as delivered, with nothing dropped', async () => {
    const delivered = { fluentd: 2, fluent: 2, statsd: 4, otlpgrpc: 10, otlphttp: 10, zipkin: 2, 'events-batch': 10 };
    for (const [handler, entries] of Object.entries(delivered)) {
      await eventually(`${entries} of ${handler}`, async () =>
        (await mixer.counter('mixer_adapter_delivered_entries_total', `handler="${handler}.istio-system"`)) === entries ? true : undefined,
      );
    }
    expect(await mixer.page('/metrics')).not.toMatch(/^mixer_adapter_dropped_entries_total\{[^}]*\} [1-9]/m);
  });
});
