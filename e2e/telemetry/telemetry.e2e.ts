import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { parse, stringify } from 'yaml';
import { eventually } from '../local/machine.ts';
import { type Collector, startCollector } from '../mixer-telemetry/peers.ts';
import { discoveringPrometheus } from '../src/discovering-prometheus.ts';
import { startUp, type UpProcess } from '../src/up-process.ts';
import { startZipkin, type Zipkin } from '../src/zipkin.ts';
import { loadDashboards, substitution } from './dashboards.ts';
import { Prometheus } from './prometheus.ts';
import { collectedSpans, type SeenSpan, zipkinSpans } from './traces.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const app = join(import.meta.dirname, 'app.ts');
const dashboardFolder = join(root, 'deploy/dashboards');

vi.setConfig({ testTimeout: 180_000 });

let folder: string;
let up: UpProcess;
let prometheus: Prometheus;
let tester: string | undefined;

function kubectl(...args: string[]): string {
  const env = { ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') };
  return execFileSync('kubectl', args, { env, encoding: 'utf8', timeout: 60_000, maxBuffer: 1 << 26, stdio: ['ignore', 'pipe', 'pipe'] });
}
const addressOf = (name: string) => kubectl('get', 'pods', '-l', `app=${name}`, '-o', 'jsonpath={.items[0].status.podIP}').trim();

/** Has the tester's application call; the results come in order. */
async function call(kind: 'http' | 'grpc' | 'tcp' | 'wire', query: Record<string, string | number>): Promise<(number | string)[]> {
  const search = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
  tester ??= addressOf('tester');
  try {
    const response = await fetch(`http://${tester}:8081/${kind}?${search}`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(50_000),
    });
    return JSON.parse(await response.text());
  } catch (cause) {
    throw new Error(`${kind} ${search}`, { cause });
  }
}
const page = async (name: string, accept?: string) => {
  const response = await fetch(`http://${addressOf(name)}:15020/stats/prometheus`, accept === undefined ? {} : { headers: { accept } });
  return { type: response.headers.get('content-type') ?? '', text: await response.text() };
};
/** A change that reaches every proxy, and one that admission turns away. */
async function change(round: number): Promise<void> {
  const route = (destination: string) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'changing', namespace: 'default' },
    spec: {
      hosts: ['target'],
      http: [{ timeout: `${10 + round}s`, route: [{ [destination]: { host: 'nobody', port: { number: 8080 } } }] }],
    },
  });
  for (const destination of ['destination', 'destinatoin']) {
    const file = join(folder, 'changing.json');
    writeFileSync(file, JSON.stringify(route(destination)));
    const applied = run('kubectl', ['apply', '-f', file], { env: { ...process.env, KUBECONFIG: join(folder, '.xebec/kubeconfig') } });
    if (destination === 'destination') await applied;
    else await expect(applied).rejects.toThrow(/destinatoin/);
  }
}
const times = <T>(n: number, value: T): T[] => Array.from({ length: n }, () => value);

/** Waits until Prometheus has scraped what is true now. */
async function settled(expr: string, value: number): Promise<void> {
  let last = Number.NaN;
  await eventually(`${expr} is ${value}`, 45_000, async () => {
    last = await prometheus.sum(expr);
    return last === value ? true : undefined;
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}; it is ${last}`);
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'xtel-'));
  process.env['XEBEC_IMAGE'] = `telemetry.test/app=${process.execPath} ${app}`;
  up = await startUp(folder, ['--demo', '--samples', join(root, 'samples')], 180_000);
  kubectl('apply', '-f', join(import.meta.dirname, 'mesh.yaml'));
  for (const name of ['target-v1', 'tester-v1', 'apart-v1']) kubectl('rollout', 'status', `deploy/${name}`, '--timeout=60s');
  const data = join(folder, 'prometheus');
  mkdirSync(data);
  prometheus = await Prometheus.start(
    data,
    join(dashboardFolder, 'prometheus.yaml'),
    (kind) => JSON.parse(kubectl('get', kind, '-A', '-o', 'json')).items,
  );
}, 240_000);
afterAll(async () => {
  await prometheus?.stop();
  await up?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

it('finds all that the mesh exposes', async () => {
  const targets = await eventually('every target is up', 45_000, async () => {
    const found = await prometheus.targets();
    return found.length > 0 && found.every(({ health }) => health === 'up') ? found : undefined;
  }).catch(async () => prometheus.targets());
  expect(targets.filter(({ health }) => health !== 'up')).toEqual([]);
  const jobs = Object.groupBy(targets, ({ job }) => job);
  expect(jobs['mesh-pods']?.length).toBe(9);
  expect(jobs['mesh-gateways']?.length).toBe(1);
  expect(jobs['control-plane']?.length).toBe(4);
  expect(jobs['mixer-telemetry']?.length).toBe(1);
});

it('is found whole by Prometheus itself, which asks the API server, and so are pods that come and go', async () => {
  const data = join(folder, 'discovering');
  mkdirSync(data);
  const shipped = join(dashboardFolder, 'prometheus.yaml');
  const discovering = await Prometheus.discovering(await discoveringPrometheus(), data, shipped, join(folder, '.xebec/kubeconfig'));
  onTestFinished(() => discovering.stop());
  const found = async (by: Prometheus) => (await by.targets()).map(({ job, url }) => `${job} ${url}`).sort();
  const told = await found(prometheus);
  const finds = (what: string, wanted: (urls: readonly string[]) => boolean) =>
    eventually(what, 45_000, async () => (wanted(await found(discovering)) ? true : undefined)).catch(async (error: unknown) => {
      throw new Error(`${String(error)}; it has found ${(await found(discovering)).join(', ')}`);
    });
  await finds('the same targets', (urls) => urls.join() === told.join());
  kubectl('scale', 'deploy/apart-v1', '--replicas=2');
  await finds('one pod more', (urls) => urls.length === told.length + 1);
  kubectl('scale', 'deploy/apart-v1', '--replicas=1');
  await finds('one pod less', (urls) => urls.length === told.length);
}, 1_200_000);

describe('counts are what was sent, at both ends', () => {
  const both = ['source', 'destination'];
  const from = 'job="mesh-pods", source_workload="tester-v1", destination_service_name="target"';

  it('HTTP, by status', async () => {
    const before = await call('wire', {});
    expect(await call('http', { to: 'http://target:8080/ok', n: 37 })).toEqual(times(37, 200));
    expect(await call('http', { to: 'http://target:8080/status/500', n: 5 })).toEqual(times(5, 500));
    const [written = 0, read = 0] = (await call('wire', {})).map((bytes, i) => Number(bytes) - Number(before[i]));
    for (const reporter of both) {
      await settled(`istio_requests_total{${from}, reporter="${reporter}", request_protocol="http", response_code="200"}`, 37);
      await settled(`istio_requests_total{${from}, reporter="${reporter}", request_protocol="http", response_code="500"}`, 5);
      await settled(`istio_request_duration_milliseconds_count{${from}, reporter="${reporter}", request_protocol="http"}`, 42);
    }
    // What the application has on its sockets is what its sidecar counts, heads and all.
    const source = `${from}, reporter="source", request_protocol="http"`;
    await settled(`istio_request_bytes_sum{${source}}`, written);
    await settled(`istio_response_bytes_sum{${source}}`, read);
  });
  it('gRPC, with messages', async () => {
    expect(await call('grpc', { to: 'target:9000', n: 11 })).toEqual(times(11, 0));
    for (const reporter of both) {
      await settled(`istio_requests_total{${from}, reporter="${reporter}", request_protocol="grpc", grpc_response_status="0"}`, 11);
      await settled(`istio_request_messages_total{${from}, reporter="${reporter}"}`, 11);
      await settled(`istio_response_messages_total{${from}, reporter="${reporter}"}`, 22);
    }
  });
  it('TCP, with bytes', async () => {
    expect(await call('tcp', { to: 'target:9001', n: 3, bytes: 1000 })).toEqual(times(3, 1000));
    // Who the other end is they have told each other: labels `app` and `version` come in no other way.
    for (const reporter of both) {
      const ends = ['source', 'destination'].map((end) => {
        const name = end === 'source' ? 'tester' : 'target';
        return `${end}_workload="${name}-v1", ${end}_app="${name}", ${end}_version="v1", ${end}_workload_namespace="default"`;
      });
      const labels = `job="mesh-pods", ${ends.join(', ')}, request_protocol="tcp", reporter="${reporter}"`;
      await settled(`istio_tcp_connections_opened_total{${labels}}`, 3);
      await settled(`istio_tcp_connections_closed_total{${labels}}`, 3);
      await settled(`istio_tcp_received_bytes_total{${labels}}`, 3000);
      await settled(`istio_tcp_sent_bytes_total{${labels}}`, 3000);
    }
  });
  it('what never arrived, and what left the mesh', async () => {
    expect(await call('http', { to: 'http://nobody:8080/', n: 4 })).toEqual(times(4, 503));
    await settled('istio_requests_total{job="mesh-pods", destination_service_name="nobody", response_code="503", response_flags="UH"}', 4);
    await call('http', { to: `http://${addressOf('target')}:8080/`, host: 'stranger.example', n: 2 });
    await settled(
      'istio_requests_total{job="mesh-pods", reporter="source", destination_service="stranger.example", destination_service_name="PassthroughCluster"}',
      2,
    );
  });
  it('pages of Bookinfo, from the gateway on', async () => {
    // Each end counts for itself: what the gateway answered before productpage was there never reached a sidecar.
    const ends = [
      'istio_requests_total{source_workload="istio-ingressgateway", job="mesh-gateways"}',
      'istio_requests_total{source_workload="istio-ingressgateway", reporter="destination", job="mesh-pods"}',
      'istio_requests_total{source_workload="productpage-v1", destination_service_name="details", reporter="destination", job="mesh-pods"}',
    ];
    const before = await Promise.all(ends.map((expr) => prometheus.sum(expr)));
    for (let i = 0; i < 20; i++) expect((await fetch('http://127.0.0.1:8080/productpage')).status).toBe(200);
    for (const [i, expr] of ends.entries()) await settled(expr, (before[i] ?? 0) + 20);
  });
});

it('a sidecar shows of itself what the mesh needs, and what the pod asks for', async () => {
  // What the proxy's own stream from pilot counts is always there.
  const families = async (name: string) => {
    const { text } = await page(name, 'text/plain');
    const samples = text.split('\n').filter((line) => line.startsWith('envoy_') && !line.includes('cluster_name="xds-grpc"'));
    return new Set(samples.map((line) => line.replace(/[{ ].*/, '')));
  };
  const usual = await families('target');
  expect([...usual].filter((family) => /^envoy_(?:cluster_upstream_|http_(?!mixer_filter_))/.test(family))).toEqual([]);
  for (const family of ['envoy_server_live', 'envoy_cluster_manager_active_clusters', 'envoy_listener_manager_lds_update_success'])
    expect(usual).toContain(family);
  const more = await families('tester');
  // No cluster here ejects hosts.
  const asked = ['envoy_cluster_upstream_cx_connect_fail', 'envoy_cluster_upstream_rq_retry'];
  expect([...more].filter((family) => !usual.has(family)).sort()).toEqual(asked);
  const configured = await families('apart');
  expect([...configured].filter((family) => !usual.has(family))).toEqual(['envoy_cluster_upstream_rq_total']);
  expect((await page('target', 'text/plain')).text.match(/^envoy_/gm)?.length).toBeLessThan(500);
});

describe('metrics of the application', () => {
  it('stand on the proxy’s page, with exemplars where the reader knows them', async () => {
    const plain = await page('target');
    expect(plain.type).toContain('text/plain');
    expect(plain.text).toMatch(/^app_served_total \d+$/m);
    expect(plain.text).toMatch(/^istio_requests_total\{/m);
    expect(plain.text).toMatch(/^istio_agent_pilot_connected 1$/m);
    const open = await page('target', 'application/openmetrics-text; version=1.0.0; charset=utf-8,text/plain;version=0.0.4;q=0.5');
    expect(open.text.match(/# EOF/g)?.length ?? 0).toBe(open.type.startsWith('application/openmetrics-text') ? 1 : 0);
    expect(open.text).toMatch(/^app_served_total \d+ # \{trace_id="abc"\} 1$/m);
    expect((await prometheus.query('app_served_total{app="target"}')).length).toBe(1);
    expect(await prometheus.exemplars('app_served_total{app="target"}')).toContain('abc');
  });
  it('come from the application itself where merging is off', async () => {
    expect((await page('apart')).text).not.toContain('app_served_total');
    const [own] = await prometheus.query('app_served_total{app="apart"}');
    expect(own?.metric['instance']).toMatch(/:8080$/);
  });
  it('are left out while the application is slow, and what the proxy counts is there in time', async () => {
    const set = (ms: number) => fetch(`http://${addressOf('target')}:8081/slow?ms=${ms}`);
    await set(60_000);
    const begun = performance.now();
    const slow = await page('target', 'text/plain');
    expect(performance.now() - begun).toBeLessThan(30_000);
    expect(slow.text).toContain('istio_requests_total{');
    expect(slow.text).not.toContain('app_served_total');
    await set(0);
    expect((await page('target')).text).toContain('app_served_total');
  });
});

describe('traces', () => {
  let zipkin: Zipkin;
  const services = ['details', 'istio-ingressgateway', 'productpage', 'ratings', 'reviews'];
  const backend = (name: string, service: { name: 'http' | 'grpc-otlp'; port: number }, port: number, nodeAddress: string) => [
    { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'istio-system' }, spec: { ports: [service] } },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-host`, namespace: 'istio-system', labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [nodeAddress], conditions: { ready: true } }],
      ports: [{ name: service.name, port }],
    },
  ];
  const apply = (...objects: object[]) => {
    const file = join(folder, 'objects.json');
    writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    kubectl('apply', '-f', file);
  };
  const sampling = (provider: string, percentage: number) =>
    apply({
      apiVersion: 'telemetry.istio.io/v1',
      kind: 'Telemetry',
      metadata: { name: 'mesh-tracing', namespace: 'istio-system' },
      spec: { tracing: [{ providers: [{ name: provider }], randomSamplingPercentage: percentage }] },
    });
  /**
   * Asks for pages, each a trace of the caller's making, until the spans of any one come from every service; gives these spans. Proxies send
   * spans when they have some or some seconds have gone by, each at its own time, so a trace is whole long after its page.
   */
  const asked = new Set<string>();
  async function wholeTrace(spans: () => Promise<SeenSpan[]>, headers: (traceId: string) => Record<string, string>): Promise<SeenSpan[]> {
    let best = 0;
    return eventually('one trace through all services', 90_000, async () => {
      const traceId = randomBytes(16).toString('hex');
      asked.add(traceId);
      await fetch('http://127.0.0.1:8080/productpage', { headers: headers(traceId) });
      const traces = Map.groupBy(
        (await spans()).filter((span) => asked.has(span.traceId)),
        (span) => span.traceId,
      );
      for (const own of traces.values()) {
        const seen = new Set(own.map(({ tags }) => tags['istio.canonical_service']));
        best = Math.max(best, seen.size);
        // Its last spans may still be on their way: all parents but the caller's have to be there.
        const ids = new Set(own.map(({ id }) => id));
        if (services.every((name) => seen.has(name)) && own.filter(({ parentId }) => !ids.has(parentId)).length === 1) return own;
      }
      return undefined;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; the best had ${best} of ${services.length} services`);
    });
  }
  const b3 = (sampled: string) => (traceId: string) => ({
    'x-b3-traceid': traceId,
    'x-b3-spanid': randomBytes(8).toString('hex'),
    'x-b3-sampled': sampled,
  });
  function isOneTree(spans: readonly SeenSpan[]): void {
    const ids = new Set(spans.map(({ id }) => id));
    // One span's parent is the caller's, who reports nothing.
    expect(spans.filter(({ parentId }) => !ids.has(parentId))).toHaveLength(1);
    expect(spans.filter(({ kind }) => kind === 'SERVER').length).toBeGreaterThanOrEqual(4);
    expect(spans.filter(({ kind }) => kind === 'CLIENT').length).toBeGreaterThanOrEqual(4);
    const mesh = ['canonical_service', 'canonical_revision', 'mesh_id', 'namespace', 'cluster_id'].map((name) => `istio.${name}`);
    const all = ['component', 'http.status_code', 'response_flags', 'upstream_cluster', ...mesh];
    for (const { tags, kind } of spans) {
      // What a gateway adds for its try of an upstream says less, as Envoy's does.
      const wanted = kind === 'SERVER' ? [...all, 'node_id', 'http.method', 'http.url'] : all;
      expect(wanted.filter((name) => tags[name] === undefined || tags[name] === '')).toEqual([]);
    }
    expect(spans.some(({ name }) => /^(?:ratings|reviews)\.default\.svc\.cluster\.local:9080\/\*$/.test(name))).toBe(true);
  }

  let collector: Collector;
  beforeAll(async () => {
    zipkin = await startZipkin('0.0.0.0');
    // The collector is built by Go once for a user of the machine.
    collector = await startCollector(folder, undefined, '0.0.0.0');
    const nodeAddress = kubectl('get', 'nodes', '-o', 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}').trim();
    apply(...backend('zipkin', { name: 'http', port: 9411 }, zipkin.port, nodeAddress));
    apply(...backend('collector', { name: 'grpc-otlp', port: 4317 }, collector.grpc, nodeAddress));
    const settings: { data: { mesh: string } } = JSON.parse(kubectl('get', 'configmap', 'istio', '-n', 'istio-system', '-o', 'json'));
    const mesh: { extensionProviders: object[] } = parse(settings.data.mesh);
    mesh.extensionProviders.push({ name: 'otel', opentelemetry: { service: 'collector.istio-system.svc.cluster.local', port: 4317 } });
    kubectl('patch', 'configmap', 'istio', '-n', 'istio-system', '--type=merge', '-p', JSON.stringify({ data: { mesh: stringify(mesh) } }));
  }, 900_000);
  afterAll(async () => {
    await zipkin?.stop();
    await collector?.stop();
  });

  it('reach a real Zipkin as one tree, because the caller says so, while nothing is sampled here', async () => {
    sampling('zipkin', 0);
    isOneTree(await wholeTrace(() => zipkinSpans(zipkin), b3('1')));
    for (let i = 0; i < 20; i++) await fetch('http://127.0.0.1:8080/productpage');
    const earlier = new Set(asked);
    const later = async () => (await zipkinSpans(zipkin)).filter(({ traceId }) => !earlier.has(traceId));
    isOneTree(await wholeTrace(later, b3('1')));
    // What came later than the twenty is there: so would they be.
    expect((await later()).filter(({ traceId }) => !asked.has(traceId))).toEqual([]);
  });
  it('begin here for every request at 100 %, but not for one whose caller has decided against', async () => {
    sampling('zipkin', 100);
    const all = async () => (await zipkinSpans(zipkin)).map(({ traceId }) => traceId);
    const before = new Set(await all());
    await eventually('traces of our own', 60_000, async () => {
      await fetch('http://127.0.0.1:8080/productpage');
      return (await all()).some((traceId) => !before.has(traceId)) ? true : undefined;
    });
    const refused = b3('0')(randomBytes(16).toString('hex'));
    await fetch('http://127.0.0.1:8080/productpage', { headers: refused });
    isOneTree(await wholeTrace(() => zipkinSpans(zipkin), b3('1')));
    expect(await all()).not.toContain(refused['x-b3-traceid']);
  });

  const traceparent = (traceId: string) => `00-${traceId}-${randomBytes(8).toString('hex')}-01`;
  it('reach a collector of OpenTelemetry as one tree by traceparent', async () => {
    sampling('otel', 0);
    isOneTree(
      await wholeTrace(
        () => collectedSpans(collector),
        (traceId) => ({ traceparent: traceparent(traceId) }),
      ),
    );
  });
  it.each([
    { percentage: 0, requests: 200, least: 0, most: 0 },
    // Of 2,000 with 1 % each: less than 4 or more than 45 comes once in 100,000 runs.
    { percentage: 1, requests: 2000, least: 4, most: 45 },
    { percentage: 100, requests: 60, least: 60, most: 60 },
  ])('begin here for $percentage % of requests', async ({ percentage, requests, least, most }) => {
    const begun = async () => {
      const own = (await collectedSpans(collector)).filter(({ tags }) => tags['istio.canonical_service'] === 'tester');
      return new Set(own.map(({ traceId }) => traceId));
    };
    const known = new Set<string>();
    const fresh = async () => [...(await begun())].filter((traceId) => !known.has(traceId)).length;
    /** Calls with a decision of the caller until one has come: all that was counted before it has come too. */
    const marked = async () => {
      const asked: string[] = [];
      await eventually('a marked trace', 60_000, async () => {
        const traceId = randomBytes(16).toString('hex');
        known.add(traceId);
        asked.push(traceId);
        await call('http', { to: 'http://target:8080/ok', traceparent: traceparent(traceId) });
        const seen = await begun();
        return asked.some((id) => seen.has(id)) ? true : undefined;
      });
    };
    sampling('otel', percentage);
    await eventually(`${percentage} % is there`, 60_000, async () => {
      await marked();
      for (const traceId of await begun()) known.add(traceId);
      const probes = 40;
      await call('http', { to: 'http://target:8080/ok', n: probes });
      await marked();
      const share = (await fresh()) / probes;
      return Math.abs(share - percentage / 100) < 0.2 ? true : undefined;
    });
    for (const traceId of await begun()) known.add(traceId);
    for (let left = requests; left > 0; left -= 200) await call('http', { to: 'http://target:8080/ok', n: Math.min(left, 200) });
    await marked();
    await eventually(`${least} traces`, 30_000, async () => ((await fresh()) >= least ? true : undefined));
    expect(await fresh()).toBeLessThanOrEqual(most);
  });
});

describe('dashboards', () => {
  it('have an answer to every query, or a reason for none', async () => {
    const wanted = { service: 'target.default.svc.cluster.local', namespace: 'default', workload: 'target-v1' };
    // Rates want traffic that goes on.
    const target = addressOf('target');
    let running = true;
    let round = 0;
    const statuses = new Set<number | string>();
    const traffic = (async () => {
      while (running) {
        await call('http', { to: 'http://target:8080/ok', n: 3 });
        await call('http', { to: 'http://target:8080/status/500' });
        await call('http', { to: 'http://nobody:8080/' });
        await call('http', { to: `http://${target}:8080/`, host: 'stranger.example' });
        for (const status of await call('grpc', { to: 'target:9000' })) statuses.add(status);
        await call('tcp', { to: 'target:9001', bytes: 100 });
        await fetch('http://127.0.0.1:8080/productpage');
        await change(++round);
      }
    })();
    try {
      const dashboards = loadDashboards(dashboardFolder);
      const queries = dashboards.flatMap(({ queries: own }) => own);
      expect(queries.length).toBeGreaterThan(80);
      let empty: string[] = [];
      let excused: string[] = [];
      // Traffic of every kind runs, so only these may have nothing to say.
      const quiet =
        /Refused updates|Connection failures|Retries|Ejected hosts|Adapter errors|Answers of sinks|Requests without mutual TLS|by service|Duration|^control-plane.*Requests/;
      await eventually('every query has an answer', 100_000, async () => {
        empty = [];
        excused = [];
        for (const { variables, queries: own } of dashboards) {
          const replace = await substitution(prometheus, variables, wanted);
          for (const { dashboard, panel, expr, emptyWhen } of own) {
            const found = (await prometheus.query(replace(expr))).filter(({ value }) => Number.isFinite(value));
            if (found.length > 0) continue;
            if (emptyWhen === undefined) empty.push(`${dashboard} “${panel}”: ${replace(expr)}`);
            else if (!quiet.test(`${dashboard} ${panel}`)) excused.push(`${dashboard} “${panel}”: ${emptyWhen}`);
          }
        }
        return empty.length + excused.length === 0 ? true : undefined;
      }).catch(() => undefined);
      expect(empty).toEqual([]);
      expect(excused).toEqual([]);
      // Whichever configuration a call met, it got a status: the server's, or UNAVAILABLE from the proxy, in an answer of headers alone.
      expect([...statuses].filter((status) => status !== 0 && status !== 14)).toEqual([]);
      expect(statuses.size).toBeGreaterThan(0);
    } finally {
      running = false;
      await traffic;
    }
  });
});
