/** Which of a proxy's metrics exist beside those that the mesh itself needs. */
export interface StatsInclusion {
  readonly prefixes?: readonly string[];
  readonly suffixes?: readonly string[];
  /** RE2 expressions for whole names. */
  readonly regexps?: readonly string[];
  /** Upper bounds of histograms by the start of their names. */
  readonly histogramBuckets?: Readonly<Record<string, readonly number[]>>;
}

/** Istio's metrics by the names that Envoy and that we give them, and what tells how a proxy does: readiness, xDS, Mixer's client. */
const alwaysPrefixes = [
  'reporter=',
  'component',
  'istio',
  'cluster_manager',
  'listener_manager',
  'server',
  'cluster.xds-grpc',
  'wasm',
  'http_mixer_filter',
  'tcp_mixer_filter',
];
/** What access policy decided. */
const alwaysSuffixes = ['rbac.allowed', 'rbac.denied', 'shadow_allowed', 'shadow_denied'];
/** `stat_prefix` of a route is asked for by name. */
const alwaysRegexps = ['vhost\\..*\\.route\\..*'];

/**
 * `stats_config`: tags, and a matcher that keeps a sidecar's page small. The hundreds of metrics that Envoy has of each cluster and
 * listener exist only where `inclusion` names them.
 */
export function statsConfig({
  prefixes = [],
  suffixes = [],
  regexps = [],
  histogramBuckets = {},
}: StatsInclusion): Record<string, unknown> {
  const buckets = Object.entries(histogramBuckets).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    use_all_default_tags: false,
    stats_tags: [
      { tag_name: 'cluster_name', regex: '^cluster\\.((.+?(\\..+?\\.svc\\.cluster\\.local)?)\\.)' },
      { tag_name: 'tcp_prefix', regex: '^tcp\\.((.*?)\\.)\\w+?$' },
      { tag_name: 'response_code', regex: '_rq(_(\\d{3}))$' },
      { tag_name: 'response_code_class', regex: '_rq(_(\\dxx))$' },
      { tag_name: 'http_conn_manager_prefix', regex: '^http\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)' },
      { tag_name: 'listener_address', regex: '^listener\\.(((?:[_.[:digit:]]*|[_\\[\\]aAbBcCdDeEfF[:digit:]]*))\\.)' },
    ],
    stats_matcher: {
      inclusion_list: {
        patterns: [
          ...unique(alwaysPrefixes, prefixes).map((prefix) => ({ prefix })),
          ...unique(alwaysSuffixes, suffixes).map((suffix) => ({ suffix })),
          ...unique(alwaysRegexps, regexps).map((regex) => ({ safe_regex: { regex } })),
        ],
      },
    },
    ...(buckets.length === 0
      ? {}
      : { histogram_bucket_settings: buckets.map(([prefix, bounds]) => ({ match: { prefix }, buckets: bounds })) }),
  };
}

const unique = (always: readonly string[], more: readonly string[]): string[] => [...new Set([...always, ...more])];
