import { describe, expect, it } from 'vitest';
import { createStats, formatPrometheus, formatStatsJson, formatStatsText, RemoteStats, type StatsReport } from '../index.ts';

const cluster = 'cluster.outbound|9080||reviews.default.svc.cluster.local';

describe('stats', () => {
  it('hands out the same cell for the same name, through scopes or whole', () => {
    const stats = createStats();
    stats.scope(cluster).counter('upstream_rq_total').add(2);
    stats.scope(cluster).counter('upstream_rq_total').add(3);
    expect(formatStatsText(stats.collect())).toBe(`${cluster}.upstream_rq_total: 5\n`);
  });
  it('keeps handles valid when the store grows', () => {
    const stats = createStats();
    const first = stats.counter('first');
    for (let i = 0; i < 5000; i++) stats.counter(`c${i}`).add(1);
    first.add(7);
    expect(first.value).toBe(7);
    expect(stats.collect()).toHaveLength(5001);
  });
  it('shows Prometheus names with tags taken out', () => {
    const stats = createStats();
    stats.scope(cluster).counter('upstream_rq_200').add(1);
    stats.scope(cluster).counter('upstream_rq_2xx').add(1);
    stats.scope('listener.0.0.0.0_8080').scope('http.ingress').counter('downstream_rq_5xx').add(1);
    stats.counter('http.inbound_0.0.0.0_9080.rbac.allowed').add(1);
    stats.counter('http.s.rbac.istio_dry_run_deny_.shadow_allowed').add(1);
    stats.scope('listener.0.0.0.0_8080').counter('worker_1.downstream_cx_total').add(1);
    stats.labelled('counter', 'istio_requests_total', { reporter: 'source', path: 'a"b\\' }).add(4);
    const text = formatPrometheus(stats.collect());
    const name = 'cluster_name="outbound|9080||reviews.default.svc.cluster.local"';
    expect(text).toContain(`# TYPE envoy_cluster_upstream_rq counter\nenvoy_cluster_upstream_rq{response_code="200",${name}} 1\n`);
    expect(text).toContain(`envoy_cluster_upstream_rq_xx{response_code_class="2",${name}} 1\n`);
    expect(text).toContain(
      'envoy_listener_http_downstream_rq_xx{response_code_class="5",http_conn_manager_prefix="ingress",listener_address="0.0.0.0_8080"} 1\n',
    );
    expect(text).toContain('envoy_http_rbac_allowed{http_conn_manager_prefix="inbound_0.0.0.0_9080"} 1\n');
    expect(text).toContain('envoy_http_rbac_shadow_allowed{rbac_http_prefix="istio_dry_run_deny_",http_conn_manager_prefix="s"} 1\n');
    expect(text).toContain('envoy_listener_worker_downstream_cx_total{worker_id="1",listener_address="0.0.0.0_8080"} 1\n');
    expect(text).toContain('istio_requests_total{reporter="source",path="a\\"b\\\\"} 4\n');
  });
  it('counts histograms in buckets and prints quantiles', () => {
    const stats = createStats();
    const time = stats.histogram('time');
    for (const value of [1, 5, 6, 4000, 10_000_000]) time.record(value);
    const text = formatPrometheus(stats.collect());
    expect(text).toContain('envoy_time_bucket{le="1"} 1\nenvoy_time_bucket{le="5"} 2\nenvoy_time_bucket{le="10"} 3\n');
    expect(text).toContain('envoy_time_bucket{le="+Inf"} 5\nenvoy_time_sum{} 10004012\nenvoy_time_count{} 5\n');
    expect(formatStatsText(stats.collect())).toMatch(/^time: P0\(nan,1\.05\) P25\(nan,5\.05\).*P75\(nan,4050\).* P100\(nan,10500000\)\n/);
    expect(formatStatsText(stats.collect(), { histograms: 'disjoint' })).toContain('time: B0.5(0,0) B1(0,1) B5(0,1) B10(0,1) B25(0,0)');
    expect(formatStatsText(stats.collect(), { histograms: 'cumulative' })).toContain('B5000(0,4)');
    expect(formatStatsText(stats.collect(), { histograms: 'detailed' })).toContain(
      'totals=1,0.1:1, 5,0.1:1, 6,0.1:1, 4000,100:1, 10000000,1000000:1\n',
    );
    expect(formatPrometheus(stats.collect(), { histograms: 'summary' })).toContain(
      '# TYPE envoy_time summary\nenvoy_time{quantile="0"} 1.05\n',
    );
    expect(JSON.parse(formatStatsJson(stats.collect()))).toMatchObject({
      stats: [{ histograms: { computed_quantiles: [{ name: 'time' }] } }],
    });
  });
  it('cuts fractions off, takes values of any size, and spreads those of one bin', () => {
    const stats = createStats();
    const h = stats.histogram('h');
    for (const value of [0.9, -3, Number.NaN, 99, 100, 101, 109, 110, 1e300, Number.POSITIVE_INFINITY]) h.record(value);
    const [sample] = stats.collect();
    expect(sample?.kind === 'histogram' ? sample.data.bins : []).toEqual([
      { lower: 0, width: 0, count: 3 },
      { lower: 99, width: 1, count: 1 },
      { lower: 100, width: 10, count: 3 },
      { lower: 110, width: 10, count: 1 },
      { lower: 9.9e13, width: 1e12, count: 2 },
    ]);
    const even = createStats();
    for (let i = 0; i < 6; i++) even.histogram('h').record(1);
    expect(formatStatsText(even.collect())).toContain('P0(nan,1.0142857142857142) P25(nan,1.0285714285714285) P50(nan,1.042857142857143)');
  });
  it('shows texts first, and to Prometheus on request', () => {
    const stats = createStats();
    stats.counter('a').add(1);
    stats.scope('http.main.rds.web').textReadout('version_text').set('v1');
    expect(formatStatsText(stats.collect())).toBe('http.main.rds.web.version_text: "v1"\na: 1\n');
    expect(formatPrometheus(stats.collect())).not.toContain('version_text');
    expect(formatPrometheus(stats.collect(), { textReadouts: true })).toContain(
      'envoy_http_rds_version_text{rds_route_config="web",http_conn_manager_prefix="main",text_value="v1"} 0\n',
    );
  });
  it('bounds the series of a labelled name', () => {
    const stats = createStats({ maxSeriesPerName: 2 });
    for (let i = 0; i < 10; i++) stats.labelled('counter', 'x_total', { id: `${i}` }).add(1);
    expect(formatPrometheus(stats.collect())).toBe(
      '# TYPE x_total counter\nx_total{id="0"} 1\nx_total{id="1"} 1\nx_total{id="overflow"} 8\n',
    );
  });
  it('adds what other threads count, keeps it when they are gone, and lets its own levels stand', async () => {
    const main = createStats();
    const remotes = [new RemoteStats(), new RemoteStats()];
    const workers = remotes.map((remote) => {
      main.attach(remote);
      return createStats({ publish: (report) => remote.apply(structuredClone(report)), unpublished: (name) => name === 'added' });
    });
    main.counter('n').add(1);
    main.gauge('members').set(3);
    main.gauge('cx_active');
    for (const worker of workers) {
      worker.counter('n').add(2);
      worker.counter('added').add(1);
      worker.gauge('members').set(3);
      worker.gauge('open').set(1);
      worker.gauge('cx_active').add(4);
      worker.histogram('h').record(3);
    }
    // Grown past the first memory: the reader must follow.
    for (let i = 0; i < 3000; i++) workers[0]?.counter(`only${i}`).add(1);
    await Promise.resolve();
    workers[1]?.counter('n').add(10);
    const values = (): Record<string, number> =>
      Object.fromEntries(
        main
          .collect()
          .map((sample) => [
            sample.name,
            sample.kind === 'histogram' ? sample.data.sum : sample.kind === 'text' ? Number.NaN : sample.value,
          ]),
      );
    expect(values()).toMatchObject({ n: 15, members: 3, open: 1, cx_active: 8, h: 6, only2999: 1 });
    expect(values()).not.toHaveProperty('added');
    for (const remote of remotes.slice(1)) main.detach(remote);
    expect(values()).toMatchObject({ n: 15, members: 3, cx_active: 4, h: 6 });
  });
  it('forgets counts on reset but not gauges, and hides what was never used', () => {
    const stats = createStats();
    stats.counter('c').add(3);
    stats.gauge('g').set(4);
    stats.counter('unused');
    stats.resetCounters();
    expect(formatStatsText(stats.collect(), { filter: /^[cg]$/ })).toBe('c: 0\ng: 4\n');
    expect(formatStatsText(stats.collect(), { usedOnly: true })).not.toContain('unused');
  });
  it('evicts labelled metrics that stood still for a whole interval, and uses their memory again', async () => {
    const reports: StatsReport[] = [];
    const worker = createStats({ publish: (report) => reports.push(report) });
    const remote = new RemoteStats();
    const main = createStats();
    main.attach(remote);
    const shown = async () => {
      await new Promise<void>((done) => queueMicrotask(done));
      for (const report of reports.splice(0)) remote.apply(report);
      return [...formatPrometheus(main.collect()).matchAll(/^(\w+\{name="\w+"\}) (\d+)$/gm)].map((match) => match.slice(1).join(' '));
    };
    const count = (name: string) => worker.labelled('counter', 'istio_requests_total', { name }).add(1);
    const record = (name: string) => worker.labelled('histogram', 'istio_request_bytes', { name }).record(7);
    const kept = worker.labelled('counter', 'other_total', { name: 'x' });
    kept.add(1);
    count('a');
    count('b');
    record('a');
    worker.evictIdle('istio_');
    expect(worker.generation).toBe(0);
    count('b');
    worker.evictIdle('istio_');
    expect(worker.generation).toBe(1);
    expect(await shown()).toEqual(['istio_requests_total{name="b"} 2', 'other_total{name="x"} 1']);
    count('a');
    record('a');
    expect(await shown()).toEqual([
      'istio_requests_total{name="a"} 1',
      'istio_requests_total{name="b"} 2',
      'other_total{name="x"} 1',
      'istio_request_bytes_sum{name="a"} 7',
      'istio_request_bytes_count{name="a"} 1',
    ]);
    for (let round = 0; round < 50; round++) {
      for (let i = 0; i < 100; i++) count(`r${round}i${i}`);
      worker.evictIdle('istio_');
      worker.evictIdle('istio_');
    }
    await shown();
    count('last');
    // Had nothing been used again, 5,000 metrics would have made the memory grow, and a report would say so.
    expect(reports.every(({ values }) => values === undefined)).toBe(true);
  });
});
