/** Requests or connections of one kind that a proxy counted as their destination. */
export interface ObservedTraffic {
  readonly protocol: 'http' | 'tcp';
  /** `workload.namespace` of the caller; `unknown` where nothing said who it was, as in plaintext. */
  readonly from: string;
  readonly mutualTls: boolean;
  readonly count: number;
}

const SERIES = /^(istio_requests_total|istio_tcp_connections_opened_total)\{(.*)\} ([0-9.eE+]+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;
const MAX_SERIES = 100_000;

/** What a proxy's Prometheus page says of callers: who came with mutual TLS, and who in plaintext. */
export function observedTraffic(page: string): ObservedTraffic[] {
  const found = new Map<string, ObservedTraffic>();
  for (const line of page.split('\n', MAX_SERIES)) {
    const match = SERIES.exec(line);
    if (match?.[1] === undefined || match[2] === undefined) continue;
    const labels = new Map([...match[2].matchAll(LABEL)].map(([, name = '', value = '']) => [name, value]));
    if (labels.get('reporter') !== 'destination') continue;
    const policy = labels.get('connection_security_policy');
    if (policy !== 'mutual_tls' && policy !== 'none') continue;
    const workload = labels.get('source_workload') ?? 'unknown';
    const namespace = labels.get('source_workload_namespace') ?? 'unknown';
    const from = workload === 'unknown' ? 'unknown' : `${workload}.${namespace}`;
    const protocol = match[1] === 'istio_requests_total' ? 'http' : 'tcp';
    const mutualTls = policy === 'mutual_tls';
    const key = `${protocol} ${from} ${mutualTls}`;
    const count = (found.get(key)?.count ?? 0) + Number(match[3]);
    if (count > 0) found.set(key, { protocol, from, mutualTls, count });
  }
  return [...found.values()];
}
