import type { Label } from './sample.ts';

/** Scope kinds whose next name part is a tag: `cluster.<name>.x` becomes `cluster_x{cluster_name="<name>"}`. */
const scopeTags: Readonly<Record<string, string>> = {
  cluster: 'cluster_name',
  http: 'http_conn_manager_prefix',
  listener: 'listener_address',
  tcp: 'tcp_prefix',
  mongo: 'mongo_prefix',
  vhost: 'virtual_host',
  vcluster: 'virtual_cluster',
  connection_limit: 'connection_limit_prefix',
  local_rate_limit: 'local_network_ratelimit_prefix',
};

/** Scopes whose first part is the tag: `<stat_prefix>.rbac`. */
const suffixTags: readonly (readonly [kind: string, tag: string])[] = [
  ['.rbac', 'rbac_prefix'],
  ['.http_local_rate_limit', 'local_http_ratelimit_prefix'],
];

interface TailRule {
  readonly tag: string;
  readonly pattern: RegExp;
  /** What stays of the name. */
  readonly rest: string;
}

const tailRules: readonly TailRule[] = [
  { tag: 'worker_id', pattern: /\bworker_(\d+)(?=\.(?:downstream_cx|watchdog))/, rest: 'worker' },
  { tag: 'response_code', pattern: /_rq_(\d{3})$/, rest: '_rq' },
  { tag: 'response_code_class', pattern: /_rq_(\d)xx$/, rest: '_rq_xx' },
  { tag: 'ssl_cipher', pattern: /ssl\.ciphers\.(.+)$/, rest: 'ssl.ciphers' },
  { tag: 'ssl_version', pattern: /ssl\.versions\.(.+)$/, rest: 'ssl.versions' },
  { tag: 'ssl_curve', pattern: /ssl\.curves\.(.+)$/, rest: 'ssl.curves' },
  {
    tag: 'tls_certificate',
    pattern: /ssl\.certificate\.(.+)\.expiration_unix_time_seconds$/,
    rest: 'ssl.certificate.expiration_unix_time_seconds',
  },
  { tag: 'rbac_http_prefix', pattern: /\brbac\.(.+)\.(?=(?:shadow_)?(?:allowed|denied)$)/, rest: 'rbac.' },
];

/** A stretch of a metric's name with the tags taken out of it. */
export interface NamePart {
  readonly dotted: string;
  /** The dotted name without tag values. */
  readonly stem: string;
  readonly labels: readonly Label[];
}

export const emptyPart: NamePart = { dotted: '', stem: '', labels: [] };

const join = (a: string, b: string) => (a === '' ? b : b === '' ? a : `${a}.${b}`);

/**
 * Extends a scope's name. A prefix `cluster.outbound|80||a.b` is one tag whatever dots the name has: scopes know what a text
 * could only guess, so no expression has to find the end of a cluster's name.
 */
export function scopePart(parent: NamePart, prefix: string): NamePart {
  if (parent.dotted === '')
    for (const [kind, tag] of suffixTags)
      if (prefix.endsWith(kind)) return { dotted: prefix, stem: kind.slice(1), labels: [[tag, prefix.slice(0, -kind.length)]] };
  const dot = prefix.indexOf('.');
  const kind = dot === -1 ? prefix : prefix.slice(0, dot);
  const tag = Object.hasOwn(scopeTags, kind) ? scopeTags[kind] : undefined;
  // The admin server has no address in its names.
  if (tag === undefined || dot === -1 || prefix === 'listener.admin')
    return { dotted: join(parent.dotted, prefix), stem: join(parent.stem, prefix), labels: parent.labels };
  // A subscription to routes belongs to a connection manager: `http.<prefix>.rds.<name>`.
  const routes = kind === 'http' ? /^([^.]+)\.rds\.(.+)$/.exec(prefix.slice(dot + 1)) : null;
  const labels: Label[] =
    routes === null
      ? [[tag, prefix.slice(dot + 1)]]
      : [
          ['rds_route_config', routes[2] ?? ''],
          [tag, routes[1] ?? ''],
        ];
  return {
    dotted: join(parent.dotted, prefix),
    stem: join(parent.stem, routes === null ? kind : `${kind}.rds`),
    labels: [...labels, ...parent.labels],
  };
}

/** Completes a metric's name within its scope. */
export function metricPart(scope: NamePart, name: string): NamePart {
  const full = scope.dotted === '' ? splitFullName(name) : { scope, rest: name };
  const tail = tailOf(full.rest);
  return {
    dotted: join(scope.dotted, name),
    stem: join(full.scope.stem, tail.stem),
    // Envoy's order: what stands later in the name comes first.
    labels: tail.labels.length === 0 ? full.scope.labels : [...tail.labels, ...full.scope.labels],
  };
}

interface Tail {
  readonly stem: string;
  readonly labels: readonly Label[];
}

const maxKept = 4096;
const tails = new Map<string, Tail>();

/** The end of a name without the tags in it; ends repeat from scope to scope. */
function tailOf(end: string): Tail {
  const known = tails.get(end);
  if (known !== undefined) return known;
  let stem = end;
  const labels: Label[] = [];
  for (const rule of tailRules) {
    const match = rule.pattern.exec(stem);
    if (match === null) continue;
    labels.push([rule.tag, match[1] ?? '']);
    stem = stem.slice(0, match.index) + rule.rest + stem.slice(match.index + match[0].length);
  }
  const tail: Tail = { stem, labels };
  if (tails.size >= maxKept) tails.clear();
  tails.set(end, tail);
  return tail;
}

/** For names given whole: takes Istio's cluster names with their dots, other names up to the next dot. */
function splitFullName(name: string): { scope: NamePart; rest: string } {
  const match =
    /^(cluster|http|listener|tcp)\.((?:[a-z]+\|\d*\|[^|]*\|.+?\.svc\.[^.]+\.[^.]+)|(?:\[[^\]]*\]|\d+\.\d+\.\d+\.\d+)_\d+|(?:(?:in|out)bound_[^;]*?_\d+;?)|[^.]+)\.(.+)$/.exec(
      name,
    );
  if (match === null) return { scope: emptyPart, rest: name };
  const [, kind = '', value = '', rest = ''] = match;
  return { scope: scopePart(emptyPart, `${kind}.${value}`), rest };
}

const prometheusNames = new Map<string, string>();

/** `cluster.upstream_rq_total` → `envoy_cluster_upstream_rq_total`. */
export function prometheusName(stem: string): string {
  const known = prometheusNames.get(stem);
  if (known !== undefined) return known;
  const plain = stem.replaceAll(/[^a-zA-Z0-9_]/g, '_');
  const name =
    plain.startsWith('istio_') || plain.startsWith('pilot_') || plain.startsWith('citadel_') || plain.startsWith('mixer_')
      ? plain
      : `envoy_${plain}`;
  if (prometheusNames.size >= maxKept) prometheusNames.clear();
  prometheusNames.set(stem, name);
  return name;
}
