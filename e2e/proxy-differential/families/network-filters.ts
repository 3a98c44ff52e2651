import { accessLog, cluster, http2Upstream, listener, standardClusters, tcpProxy, type } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json, Site } from '../harness/family.ts';

const filter = (name: string, message: string, config: Json): Json => ({
  name,
  typed_config: { '@type': type(`envoy.extensions.filters.network.${message}`), ...config },
});
const anyone = { permissions: [{ any: true }], principals: [{ any: true }] };
const from = (address: string): Json => ({
  permissions: [{ any: true }],
  principals: [{ direct_remote_ip: { address_prefix: address, prefix_len: 32 } }],
});
const rbac = (config: Json): Json => filter('rbac', 'rbac.v3.RBAC', config);
const proxyProtocol = (version: string, more: Json = {}): Json => ({
  transport_socket: {
    name: 'proxy_protocol',
    typed_config: {
      '@type': type('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport'),
      config: { version, ...more },
      transport_socket: {
        name: 'raw_buffer',
        typed_config: { '@type': type('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') },
      },
    },
  },
});
const acceptsProxyProtocol: Json = {
  listener_filters: [
    {
      name: 'proxy_protocol',
      typed_config: {
        '@type': type('envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol'),
        pass_through_tlvs: { match_type: 'INCLUDE_ALL' },
      },
    },
  ],
};

/** One listener for each, with the proxy's own name as `stat_prefix`. */
const tcpListeners: Readonly<Record<string, (site: Site) => readonly [filters: readonly Json[], more?: Json]>> = {
  plain: (site) => [[tcpProxy(site, { stat_prefix: 'plain', cluster: 'tcp' })]],
  dead: (site) => [[tcpProxy(site, { stat_prefix: 'dead', cluster: 'dead' })]],
  'dead-retried': (site) => [[tcpProxy(site, { stat_prefix: 'dead-retried', cluster: 'dead', max_connect_attempts: 3 })]],
  empty: (site) => [[tcpProxy(site, { stat_prefix: 'empty', cluster: 'empty' })]],
  unknown: (site) => [[tcpProxy(site, { stat_prefix: 'unknown', cluster: 'nowhere' })]],
  overflow: (site) => [[tcpProxy(site, { stat_prefix: 'overflow', cluster: 'overflow' })]],
  weighted: (site) => [[tcpProxy(site, { stat_prefix: 'weighted', weighted_clusters: { clusters: [{ name: 'tcp', weight: 7 }] } })]],
  idle: (site) => [[tcpProxy(site, { stat_prefix: 'idle', cluster: 'tcp', idle_timeout: '0.2s' })]],
  'max-duration': (site) => [[tcpProxy(site, { stat_prefix: 'max-duration', cluster: 'tcp', max_downstream_connection_duration: '0.2s' })]],
  connected: (site) => [
    [tcpProxy(site, { stat_prefix: 'connected', cluster: 'tcp', access_log_options: { flush_access_log_on_connected: true } })],
  ],
  'proxy-v1': (site) => [[tcpProxy(site, { stat_prefix: 'proxy-v1', cluster: 'proxy-v1' })], acceptsProxyProtocol],
  'proxy-v2': (site) => [[tcpProxy(site, { stat_prefix: 'proxy-v2', cluster: 'proxy-v2' })], acceptsProxyProtocol],
  tunnel: (site) => [
    [
      tcpProxy(site, {
        stat_prefix: 'tunnel',
        cluster: 'a',
        tunneling_config: {
          hostname: 'target.example:443',
          headers_to_add: [{ header: { key: 'x-from', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } }],
        },
      }),
    ],
  ],
  'tunnel-http2': (site) => [
    [tcpProxy(site, { stat_prefix: 'tunnel-http2', cluster: 'connect-h2', tunneling_config: { hostname: 'target.example:443' } })],
  ],
  'direct-response': () => [[filter('direct_response', 'direct_response.v3.Config', { response: { inline_string: 'hello' } })]],
  echo: () => [[filter('echo', 'echo.v3.Echo', {})]],
  denied: (site) => [
    [
      rbac({ stat_prefix: 'denied.', rules: { action: 'DENY', policies: { all: anyone } } }),
      tcpProxy(site, { stat_prefix: 'd', cluster: 'tcp' }),
    ],
  ],
  allowed: (site) => [
    [
      rbac({ stat_prefix: 'allowed', rules: { policies: { two: from('127.0.0.2'), three: from('127.0.0.3') } } }),
      tcpProxy(site, { stat_prefix: 'allowed', cluster: 'tcp' }),
    ],
  ],
  shadow: (site) => [
    [
      rbac({
        stat_prefix: 'shadow',
        shadow_rules: { action: 'DENY', policies: { all: anyone } },
        shadow_rules_stat_prefix: 'dry_',
      }),
      tcpProxy(site, {
        stat_prefix: 'shadow',
        cluster: 'tcp',
        access_log: [
          accessLog(site, {
            policy: '%DYNAMIC_METADATA(envoy.filters.network.rbac:dry_shadow_effective_policy_id)%',
            result: '%DYNAMIC_METADATA(envoy.filters.network.rbac:dry_shadow_engine_result)%',
          }),
        ],
      }),
    ],
  ],
  'delayed-denial': (site) => [
    [
      rbac({ stat_prefix: 'delayed', rules: { action: 'DENY', policies: { all: anyone } }, delay_deny: '0.2s' }),
      tcpProxy(site, { stat_prefix: 'dd', cluster: 'tcp' }),
    ],
  ],
  continuous: (site) => [
    [
      rbac({ stat_prefix: 'continuous', rules: { policies: { all: anyone } }, enforcement_type: 'CONTINUOUS' }),
      tcpProxy(site, { stat_prefix: 'continuous', cluster: 'tcp' }),
    ],
  ],
  limited: (site) => [
    [
      filter('connection_limit', 'connection_limit.v3.ConnectionLimit', { stat_prefix: 'limit', max_connections: 1 }),
      tcpProxy(site, { stat_prefix: 'limited', cluster: 'tcp', idle_timeout: '0.2s' }),
    ],
  ],
  'rate-limited': (site) => [
    [
      filter('local_ratelimit', 'local_ratelimit.v3.LocalRateLimit', {
        stat_prefix: 'rate',
        token_bucket: { max_tokens: 1, fill_interval: '3600s' },
      }),
      tcpProxy(site, { stat_prefix: 'rate-limited', cluster: 'tcp' }),
    ],
  ],
};

const talk = (to: string, name = to, more: Partial<DifferentialCase> = {}): DifferentialCase => ({
  name,
  does: { kind: 'tcp', to, send: 'some bytes' },
  ...more,
});
const quiet = (to: string): DifferentialCase => ({ name: `${to}, silent`, does: { kind: 'tcp', to, open: true, timeoutMs: 150 } });
const header = 'PROXY TCP4 192.0.2.1 192.0.2.2 1111 2222\r\n';
const headerWithTlv = Buffer.concat([
  Buffer.from('0d0a0d0a000d0a515549540a21110013c0000201c0000202045708ae', 'hex'),
  Buffer.from([2, 0, 4]),
  Buffer.from('tlv!'),
]);

export const networkFilters: DifferentialFamily = {
  name: 'network-filters',
  about: 'TCP proxying, its failures, time limits, tunnels and PROXY protocol; rbac, limits, echo and direct response',
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(tcpListeners).map(([name, make]) => {
        const [filters, more] = make(site);
        return listener(site, name, filters, more);
      }),
      clusters: [
        ...standardClusters(site),
        cluster('overflow', [site.upstream('tcp')], { circuit_breakers: { thresholds: [{ max_connections: 0 }] } }),
        cluster('proxy-v1', [site.upstream('tcp')], proxyProtocol('V1')),
        cluster('proxy-v2', [site.upstream('tcp')], proxyProtocol('V2', { pass_through_tlvs: { match_type: 'INCLUDE', tlv_type: [2] } })),
        cluster('connect-h2', [site.upstream('h2')], http2Upstream),
      ],
    },
  }),
  cases: [
    talk('plain'),
    { name: 'plain, much', does: { kind: 'tcp', to: 'plain', send: 'x'.repeat(300_000), timeoutMs: 2000 } },
    talk('weighted'),
    // Whether unread bytes make a close a reset depends on which of the two comes first: these clients say nothing.
    quiet('dead'),
    quiet('dead-retried'),
    quiet('empty'),
    quiet('unknown'),
    quiet('overflow'),
    { name: 'idle', does: { kind: 'tcp', to: 'idle', send: 'x', open: true, timeoutMs: 1000 } },
    { name: 'max-duration', does: { kind: 'tcp', to: 'max-duration', send: 'x', open: true, timeoutMs: 1000 } },
    talk('connected', 'connected', { logs: 2 }),
    talk('proxy-v1', 'PROXY v1 from v1', { does: { kind: 'tcp', to: 'proxy-v1', preamble: header, send: 'x', open: true } }),
    talk('proxy-v2', 'PROXY v2 with a TLV', { does: { kind: 'tcp', to: 'proxy-v2', preamble: headerWithTlv, send: 'x', open: true } }),
    { name: 'tunnel', does: { kind: 'tcp', to: 'tunnel', send: 'through', open: true }, replies: { tunnel: true } },
    { name: 'tunnel refused', does: { kind: 'tcp', to: 'tunnel', open: true }, replies: { status: 403, body: 'no' } },
    { name: 'tunnel over HTTP/2', does: { kind: 'tcp', to: 'tunnel-http2', send: 'through', open: true }, replies: { tunnel: true } },
    { name: 'tunnel over HTTP/2 refused', does: { kind: 'tcp', to: 'tunnel-http2', open: true }, replies: { status: 503 } },
    talk('direct-response', 'direct response', { logs: 0 }),
    talk('echo', 'echo', { logs: 0, does: { kind: 'tcp', to: 'echo', send: 'some bytes', open: true, timeoutMs: 200 } }),
    talk('denied'),
    talk('allowed', 'allowed by nothing'),
    { name: 'allowed by a policy', does: { kind: 'tcp', to: 'allowed', from: '127.0.0.3', send: 'x' } },
    talk('shadow'),
    talk('delayed-denial'),
    talk('continuous'),
    {
      name: 'limited',
      does: [],
      run: async (proxy) => {
        const first = proxy.exchange({ kind: 'tcp', to: 'limited', send: 'a', open: true, timeoutMs: 150 });
        await new Promise((resolve) => setTimeout(resolve, 50));
        return [await proxy.exchange({ kind: 'tcp', to: 'limited', send: 'b' }), await first];
      },
    },
    {
      name: 'rate-limited',
      does: [
        { kind: 'tcp', to: 'rate-limited', send: 'first' },
        { kind: 'tcp', to: 'rate-limited', open: true },
      ],
    },
  ],
  stats: [
    ...['plain', 'dead', 'dead-retried', 'empty', 'unknown', 'overflow', 'idle', 'max-duration', 'connected', 'd', 'rate-limited'].flatMap(
      (name) =>
        ['downstream_cx_total', 'downstream_cx_rx_bytes_total', 'downstream_cx_tx_bytes_total'].map((stat) => `tcp.${name}.${stat}`),
    ),
    'tcp.unknown.downstream_cx_no_route',
    'tcp.idle.idle_timeout',
    'tcp.max-duration.max_downstream_connection_duration',
    'cluster.dead.upstream_cx_connect_fail',
    'cluster.dead.upstream_cx_connect_attempts_exceeded',
    'cluster.empty.upstream_cx_none_healthy',
    'cluster.overflow.upstream_cx_overflow',
    'denied.rbac.denied',
    'allowed.rbac.allowed',
    'allowed.rbac.denied',
    'shadow.rbac.dry_.shadow_denied',
    'connection_limit.limit.limited_connections',
    'local_rate_limit.rate.rate_limited',
  ],
};
