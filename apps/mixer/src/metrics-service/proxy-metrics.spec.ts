import { create } from '@bufbuild/protobuf';
import { type Metric, MetricFamilySchema, MetricSchema, MetricType } from '@xebec/protos/io/prometheus/client/metrics';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, ProxyMetrics } from './proxy-metrics.ts';

const family = (name: string, type: MetricType, ...metric: Metric[]) => create(MetricFamilySchema, { name, type, metric });
const counter = (value: number, labels: Record<string, string> = {}) =>
  create(MetricSchema, { counter: { value }, label: Object.entries(labels).map(([name, word]) => ({ name, value: word })) });
const a = { id: 'sidecar~10.0.0.1~a.default~x', cluster: 'a' };
const b = { id: 'b"\n', cluster: 'b' };

describe('metrics of proxies', () => {
  it('have labels that say whose they are, and stand together by name', () => {
    const metrics = new ProxyMetrics();
    metrics.update(a, [family('cluster.x|y.rq', MetricType.COUNTER, counter(3, { 'envoy.response_code': '200', node_id: 'forged' }))], 0);
    metrics.update(b, [family('cluster.x|y.rq', MetricType.COUNTER, counter(1))], 0);
    metrics.update(b, [family('cluster.x|y.rq', MetricType.COUNTER, counter(7, { zone: 'z' }))], 0);
    metrics.update(b, [family('server.live', MetricType.GAUGE, create(MetricSchema, { gauge: { value: 1 } }))], 0);
    metrics.update(a, [family('cluster.x|y.rq', MetricType.COUNTER, counter(5, { 'envoy.response_code': '200' }))], 0);
    expect(metrics.exposition(0).trim().split('\n')).toEqual([
      '# TYPE envoy_cluster_x_y_rq counter',
      'envoy_cluster_x_y_rq{node_id="sidecar~10.0.0.1~a.default~x",node_cluster="a",envoy_response_code="200"} 5',
      'envoy_cluster_x_y_rq{node_id="b\\"\\n",node_cluster="b"} 1',
      'envoy_cluster_x_y_rq{node_id="b\\"\\n",node_cluster="b",zone="z"} 7',
      '# TYPE envoy_server_live gauge',
      'envoy_server_live{node_id="b\\"\\n",node_cluster="b"} 1',
    ]);
  });
  it('add up the histograms of intervals, and show summaries where there is no histogram', () => {
    const metrics = new ProxyMetrics();
    const histogram = create(MetricSchema, {
      histogram: {
        sampleCount: 3n,
        sampleSum: 4.5,
        bucket: [
          { upperBound: 1, cumulativeCount: 2n },
          { upperBound: Number.POSITIVE_INFINITY, cumulativeCount: 3n },
        ],
      },
    });
    const summary = create(MetricSchema, { summary: { sampleCount: 2n, sampleSum: 3, quantile: [{ quantile: 0.5, value: 1 }] } });
    metrics.update(a, [family('t', MetricType.SUMMARY, summary), family('t', MetricType.HISTOGRAM, histogram)], 0);
    metrics.update(a, [family('t', MetricType.HISTOGRAM, histogram)], 0);
    metrics.update(a, [family('s', MetricType.SUMMARY, summary)], 0);
    const own = 'node_id="sidecar~10.0.0.1~a.default~x",node_cluster="a"';
    expect(metrics.exposition(0).trim().split('\n')).toEqual([
      '# TYPE envoy_t histogram',
      `envoy_t_bucket{${own},le="1"} 4`,
      `envoy_t_bucket{${own},le="+Inf"} 6`,
      `envoy_t_sum{${own}} 9`,
      `envoy_t_count{${own}} 6`,
      '# TYPE envoy_s summary',
      `envoy_s{${own},quantile="0.5"} 1`,
      `envoy_s_sum{${own}} 3`,
      `envoy_s_count{${own}} 2`,
    ]);
  });
  it('are bounded, and forgotten with their proxy', () => {
    const metrics = new ProxyMetrics({ ...DEFAULT_LIMITS, maxProxies: 2, maxLinesPerProxy: 3, maxLines: 5, expiryMs: 1_000 });
    const lines = (count: number) => Array.from({ length: count }, (_, i) => counter(i, { i: String(i) }));
    expect(metrics.update(a, [family('x', MetricType.COUNTER, ...lines(3))], 0)).toBe(0);
    expect(metrics.update(a, [family('y', MetricType.COUNTER, ...lines(1))], 0)).toBe(1);
    expect(metrics.update(b, [family('x', MetricType.COUNTER, ...lines(3))], 500)).toBe(1);
    expect(metrics.update({ id: 'c', cluster: '' }, [family('x', MetricType.COUNTER, ...lines(2))], 500)).toBe(2);
    expect(metrics.size).toEqual({ proxies: 2, lines: 5 });
    expect(metrics.update(b, [family('x', MetricType.COUNTER, ...lines(3))], 1_200)).toBe(0);
    expect(metrics.size).toEqual({ proxies: 1, lines: 3 });
    expect(metrics.exposition(9_000)).toBe('');
  });
});
