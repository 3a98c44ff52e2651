import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import { StatsConfigSchema } from '@xebec/protos/envoy/config/metrics/v3/stats';
import { createStats, formatPrometheus, type Stats } from '@xebec/telemetry';
import { describe, expect, it } from 'vitest';
import { compileStatsView } from './stats-config.ts';

const view = (config: JsonValue) => compileStatsView(fromJson(StatsConfigSchema, config));

function someStats(): Stats {
  const stats = createStats();
  stats.scope('cluster.outbound|80||a.b.svc.cluster.local').counter('upstream_rq_200').add(1);
  stats.scope('http.main').counter('downstream_cx_total').add(2);
  return stats;
}

const lines = (config: JsonValue): string[] =>
  formatPrometheus(someStats().collect().map(view(config).tagged))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

describe('matchers of metrics', () => {
  it('shows all without one', () => {
    expect(compileStatsView(undefined).shown('a.b')).toBe(true);
    expect(view({ stats_matcher: { reject_all: false } }).shown('a.b')).toBe(true);
  });
  it('shows nothing where all are rejected', () => expect(view({ stats_matcher: { reject_all: true } }).shown('a.b')).toBe(false));
  it('excludes what is listed', () => {
    const { shown } = view({ stats_matcher: { exclusion_list: { patterns: [{ prefix: 'A.', ignore_case: true }] } } });
    expect([shown('a.b'), shown('b.a.')]).toEqual([false, true]);
  });
  it('includes only what is listed', () => {
    const { shown } = view({
      stats_matcher: { inclusion_list: { patterns: [{ safe_regex: { regex: 'a\\..*' } }, { suffix: '_total' }] } },
    });
    expect([shown('a.b'), shown('b_total'), shown('xa.b')]).toEqual([true, true, false]);
  });
});

describe('buckets', () => {
  it('come from the first settings that match', () => {
    const { bounds } = view({
      histogram_bucket_settings: [
        { match: { suffix: '_ms' }, buckets: [1, 5] },
        { match: { prefix: 'cluster' }, buckets: [9, 3] },
      ],
    });
    expect(bounds('cluster.a_ms')).toEqual([1, 5]);
    expect(bounds('cluster.a')).toEqual([3, 9]);
    expect(bounds('other')).toHaveLength(19);
  });
});

describe('tags', () => {
  it("have Envoy's prefix by default", () => {
    expect(lines({})).toEqual([
      'envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="outbound|80||a.b.svc.cluster.local"} 1',
      'envoy_http_downstream_cx_total{envoy_http_conn_manager_prefix="main"} 2',
    ]);
  });
  it('are added by value and by expression', () => {
    const stats_tags = [
      { tag_name: 'site', fixed_value: 'x' },
      { tag_name: 'way', regex: '^cluster\\.((out)bound\\|)' },
    ];
    expect(lines({ stats_tags })).toEqual([
      'envoy_cluster_upstream_rq{envoy_response_code="200",site="x",envoy_cluster_name="outbound|80||a.b.svc.cluster.local",way="out"} 1',
      'envoy_http_downstream_cx_total{site="x",envoy_http_conn_manager_prefix="main"} 2',
    ]);
  });
  it('that are not wanted stay part of the name', () => {
    const stats_tags = [{ tag_name: 'cluster_name', regex: '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)' }];
    expect(lines({ use_all_default_tags: false, stats_tags })).toEqual([
      'envoy_cluster_upstream_rq_200{cluster_name="outbound|80||a.b.svc.cluster.local"} 1',
      'envoy_http_main_downstream_cx_total{} 2',
    ]);
  });
  it('of the configuration do not displace default ones unless it says so', () => {
    const stats_tags = [{ tag_name: 'envoy.http_conn_manager_prefix', regex: '^http\\.((m)ain\\.)' }];
    const [, kept] = lines({ stats_tags });
    const [, displaced] = lines({ stats_tags, allow_default_tag_overrides: true });
    expect(kept).toBe('envoy_http_downstream_cx_total{envoy_http_conn_manager_prefix="main"} 2');
    expect(displaced).toBe('envoy_http_downstream_cx_total{envoy_http_conn_manager_prefix="m"} 2');
  });
});
