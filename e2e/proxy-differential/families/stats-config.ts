import { cluster, httpConnectionManager, listener, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Site } from '../harness/family.ts';

function bootstrap(site: Site): Json {
  const manager = httpConnectionManager(site, [
    virtualHost([
      { match: { prefix: '/named' }, route: { cluster: 'aa_named' } },
      { match: { prefix: '/' }, route: { cluster: 'a' } },
    ]),
  ]);
  return {
    static_resources: {
      listeners: [listener(site, 'http', [manager])],
      clusters: [...standardClusters(site), cluster('aa_named', [site.upstream('b')])],
    },
    stats_flush_on_admin: true,
    stats_config: {
      stats_tags: [
        { tag_name: 'fixed', fixed_value: 'abc' },
        { tag_name: 'my.kind', regex: '^cluster\\.((..)_)' },
        { tag_name: 'whole', regex: '\\.(upstream_rq_(total|active))$' },
        { tag_name: 'outcome', regex: '(_fail|_timeout)$' },
        { tag_name: 'none', regex: 'never_there_(.*)' },
        { tag_name: 'envoy.http_conn_manager_prefix', regex: '^http\\.((m)ain\\.)' },
      ],
      stats_matcher: {
        inclusion_list: {
          patterns: [
            { prefix: 'cluster.a' },
            { suffix: 'DOWNSTREAM_RQ_2XX', ignore_case: true },
            { exact: 'server.live' },
            { contains: 'main.downstream_cx_' },
            { safe_regex: { regex: 'listener\\..*_total' } },
          ],
        },
      },
      histogram_bucket_settings: [
        { match: { suffix: 'connect_ms' }, buckets: [1, 10, 100, 60000] },
        { match: { prefix: 'cluster.aa' }, buckets: [30000] },
        { match: { safe_regex: { regex: 'cluster.a.*' } }, buckets: [7.5, 500000] },
      ],
    },
  };
}

const withoutPorts = (line: string): string => line.replaceAll(/(\d+\.\d+\.\d+\.\d+)_\d+/g, '$1_PORT');

/** Names, labels and bounds, without values: one line each. */
const series = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => withoutPorts(line.replace(/ [^ ]*$/, '')))
    .filter((line) => line !== '')
    .sort();

const page = (name: string, path: string, select: (text: string) => unknown): DifferentialCase => ({
  name,
  does: { kind: 'admin', path, select },
  logs: 0,
});

const names = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => withoutPorts(line.replace(/: .*/, '')))
    .sort();

const cases: DifferentialCase[] = [
  { name: 'traffic', does: [{ path: '/named' }, { path: '/' }] },
  page('prometheus of a cluster with a kind', '/stats/prometheus?filter=cluster%5C.aa_named.*upstream_(rq|cx)', series),
  page('prometheus of a cluster', '/stats/prometheus?filter=cluster%5C.a%5C..*upstream_(rq|cx)', series),
  page('prometheus of a connection manager', '/stats/prometheus?filter=http', series),
  page('prometheus of listeners and the server', '/stats/prometheus?filter=(listener|server)', series),
  page('names left', '/stats?filter=upstream_rq%7Clive%7Cdownstream%7Clistener', names),
  page('names in JSON', '/stats?format=json&filter=upstream_rq%7Clive%7Cdownstream_rq', (text) => {
    const { stats } = JSON.parse(text) as { stats: Json[] }; // the shape of the page
    return stats.map(({ name }) => withoutPorts(String(name))).sort();
  }),
  page('nothing else', '/stats?filter=^(http2|runtime|cluster_manager|cluster%5C.b|main_thread|filesystem)', names),
  page('buckets', '/stats?histogram_buckets=cumulative&filter=cluster.*(connect_ms|rq_time|length_ms)', (text) =>
    text.replaceAll(/\(\d+,\d+\)/g, ''),
  ),
];

export const statsConfig: DifferentialFamily = {
  name: 'stats-config',
  about: 'tags, matchers and histogram buckets that `stats_config` gives',
  bootstrap,
  cases,
};
