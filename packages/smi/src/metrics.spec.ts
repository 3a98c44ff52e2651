import { describe, expect, it } from 'vitest';
import { type MetricsRequest, metricsQueries, trafficMetricsList } from './metrics.ts';

const request: MetricsRequest = { kind: 'deployments', name: '', namespace: 'shop', window: '30s', edges: false };
const answer = (wanted: MetricsRequest, labels: Record<string, string>, value: number) =>
  metricsQueries(wanted).map((query) => ({ query, samples: [{ labels, value }] }));

describe('TrafficMetrics', () => {
  it('asks for latencies and counts of what arrives', () => {
    expect(metricsQueries(request).map(({ metric }) => metric)).toEqual([
      'p99_response_latency',
      'p90_response_latency',
      'p50_response_latency',
      'success_count',
      'failure_count',
    ]);
    expect(metricsQueries(request)[3]?.promql).toBe(
      'sum by (destination_workload, destination_workload_namespace) (increase(istio_requests_total{reporter="destination", destination_workload_namespace="shop", response_code!~"5..|0", destination_canonical_service!=""}[30s])) or sum by (destination_workload, destination_workload_namespace) (increase(istio_requests_total{reporter="destination", destination_workload_namespace="shop", response_code!~"5..|0"}[30s]))',
    );
  });
  it('become a list with quantities', () => {
    const labels = { destination_workload: 'web', destination_workload_namespace: 'shop' };
    const list = trafficMetricsList(request, answer(request, labels, 0.0124), '2026-11-21T03:00:00Z');
    expect(list.items).toHaveLength(1);
    expect(list.items[0]).toMatchObject({
      resource: { kind: 'Deployment', name: 'web', namespace: 'shop' },
      edge: { direction: 'from', side: 'server', resource: {} },
      metrics: [{ name: 'p99_response_latency', unit: 'seconds', value: '12m' }, {}, {}, { value: '0' }, { value: '0' }],
    });
  });
  it('of edges are told both ways', () => {
    const edges = { ...request, name: 'web', edges: true };
    const queries = metricsQueries(edges);
    expect(queries).toHaveLength(10);
    expect(queries[9]?.promql).toContain('reporter="source", source_workload_namespace="shop", source_workload="web"');
    const labels = {
      source_workload: 'web',
      source_workload_namespace: 'shop',
      destination_workload: 'db',
      destination_workload_namespace: 'data',
    };
    const list = trafficMetricsList(edges, answer(edges, labels, 7).slice(5), '');
    expect(list.items[0]?.edge).toEqual({
      direction: 'to',
      side: 'client',
      resource: { kind: 'Deployment', name: 'db', namespace: 'data' },
    });
  });
  it('of a split are told by backend', () => {
    const split = {
      ...request,
      kind: 'trafficsplits' as const,
      name: 'canary',
      split: { apex: 'web', backends: [{ name: 'web-v2', weight: 10 }] },
    };
    expect(metricsQueries(split)[3]?.promql).toContain('destination_service_name=~"web-v2"');
    const list = trafficMetricsList(
      split,
      answer(split, { destination_service_name: 'web-v2', destination_service_namespace: 'shop' }, 3),
      '',
    );
    expect(list.items[0]).toMatchObject({
      resource: { kind: 'TrafficSplit', name: 'canary' },
      backend: { apex: 'web', name: 'web-v2', weight: 10 },
    });
  });
  it('quotes names', () => {
    expect(metricsQueries({ ...request, name: 'a"} or vector(1)' })[3]?.promql).toContain('destination_workload="a\\"} or vector(1)"');
  });
  it('without traffic are an empty list, and latencies of nothing are 0', () => {
    expect(trafficMetricsList(request, [], '').items).toEqual([]);
    expect(trafficMetricsList(request, answer(request, { destination_workload: 'x' }, Number.NaN), '').items[0]?.metrics[0]?.value).toBe(
      '0',
    );
  });
});
