import { setTimeout as wait } from 'node:timers/promises';
import type { CertificateFiles } from '../harness/certificates.ts';
import {
  accessLog,
  cluster,
  http2Upstream,
  httpConnectionManager,
  httpFilter,
  listener,
  router,
  standardClusters,
  tcpProxy,
  type,
  virtualHost,
} from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, ProxyUnderTest, Site } from '../harness/family.ts';
import { LogService } from '../peers/log-service.ts';

const service = new LogService();

const loggers = 'envoy.extensions.access_loggers';
const grpc = { envoy_grpc: { cluster_name: 'logs' } };
const common = (logName: string, more: Json = {}): Json => ({
  log_name: logName,
  transport_api_version: 'V3',
  grpc_service: grpc,
  buffer_flush_interval: '0.02s',
  buffer_size_bytes: 1,
  ...more,
});

const customTags = [
  { tag: 'literal', literal: { value: 'text' } },
  { tag: 'header', request_header: { name: 'x-tag', default_value: 'none' } },
];

const httpService = (more: Json = {}): Json => ({
  name: 'envoy.access_loggers.http_grpc',
  typed_config: {
    '@type': type(`${loggers}.grpc.v3.HttpGrpcAccessLogConfig`),
    common_config: common('requests', { custom_tags: customTags, filter_state_objects_to_log: ['test.state', 'test.none'] }),
    additional_request_headers_to_log: ['X-Tag', 'x-none', ':method'],
    additional_response_headers_to_log: ['X-Answer', ':status'],
    additional_response_trailers_to_log: ['grpc-status'],
  },
  ...more,
});
const tcpService: Json = {
  name: 'envoy.access_loggers.tcp_grpc',
  typed_config: { '@type': type(`${loggers}.grpc.v3.TcpGrpcAccessLogConfig`), common_config: common('connections') },
};
const text = (value: string): Json => ({ string_value: value });
const otlp = (config: Json): Json => ({
  name: 'envoy.access_loggers.open_telemetry',
  typed_config: {
    '@type': type(`${loggers}.open_telemetry.v3.OpenTelemetryAccessLogConfig`),
    common_config: common('spans'),
    resource_attributes: { values: [{ key: 'own', value: text('resource') }] },
    body: text('%REQ(:METHOD)% %RESPONSE_CODE% %REQ(X-NONE)%'),
    attributes: {
      values: [
        { key: 'path', value: text('%REQ(:PATH)%') },
        { key: 'code', value: text('%RESPONSE_CODE%') },
        { key: 'constant', value: text('words') },
        { key: 'nested', value: { kvlist_value: { values: [{ key: 'cluster', value: text('%UPSTREAM_CLUSTER%') }] } } },
        { key: 'list', value: { array_value: { values: [text('%PROTOCOL%'), text('x')] } } },
      ],
    },
    ...config,
  },
});

const status = (op: string, value: number, key = 'none'): Json => ({
  status_code_filter: { comparison: { op, value: { default_value: value, runtime_key: key } } },
});
const cel = (expression: Json): Json => ({
  extension_filter: {
    name: 'envoy.access_loggers.extension_filters.cel',
    typed_config: { '@type': type(`${loggers}.filters.cel.v3.ExpressionFilter`), ...expression },
  },
});
const conditions: Readonly<Record<string, Json>> = {
  'by the runtime': status('GE', 500, 'limit.low'),
  'by a runtime without the key': status('GE', 500, 'limit.none'),
  'not equal': status('NE', 200),
  never: { runtime_filter: { runtime_key: 'share.never', percent_sampled: { numerator: 100 } } },
  always: { runtime_filter: { runtime_key: 'share.always', percent_sampled: { numerator: 0 } } },
  'default share': { runtime_filter: { runtime_key: 'share.none', percent_sampled: { numerator: 100 } } },
  'no share': { runtime_filter: { runtime_key: 'share.none', percent_sampled: { numerator: 0 } } },
  million: { runtime_filter: { runtime_key: 'share.none', percent_sampled: { numerator: 1_000_000, denominator: 'MILLION' } } },
  traceable: { traceable_filter: {} },
  'by an expression': cel({ expression: 'response.code >= 400' }),
  'by an expression of headers': cel({ expression: "request.headers['x-log'] == 'yes'" }),
  'by what is not there': cel({ expression: "request.headers['x-log'] != 'yes'" }),
  'by an expression of types': cel({ expression: 'response.code' }),
  'by flags': { response_flag_filter: { flags: ['NR', 'UF'] } },
  'header absent': { header_filter: { header: { name: 'x-log', present_match: false } } },
  'header present': { header_filter: { header: { name: 'x-log', present_match: true } } },
  'header inverted': { header_filter: { header: { name: 'x-log', string_match: { exact: 'yes' }, invert_match: true } } },
  'header of two': { header_filter: { header: { name: 'x-log', string_match: { exact: 'yes,no' } } } },
  path: { header_filter: { header: { name: ':path', string_match: { prefix: '/a' } } } },
};

const routes: readonly Json[] = [
  { match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
  { name: 'named', match: { prefix: '/a' }, route: { cluster: 'a' } },
  ...['h2', 'dead', 'empty'].map((name) => ({ match: { prefix: `/${name}` }, route: { cluster: name } })),
  { match: { prefix: '/timeout' }, route: { cluster: 'a', timeout: '0.1s' } },
  { match: { prefix: '/nowhere' }, route: { cluster: 'absent' } },
  { match: { prefix: '/upgrade' }, route: { cluster: 'a', upgrade_configs: [{ upgrade_type: 'websocket' }] } },
];

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';
const pair = (files: CertificateFiles): Json => ({
  certificate_chain: { filename: files.certificate },
  private_key: { filename: files.key },
});

function bootstrap(site: Site): Json {
  const { certificates } = site;
  const host = virtualHost(routes);
  const manager = (log: readonly Json[], more: Json = {}): Json => httpConnectionManager(site, [host], { access_log: log, ...more });
  const state = httpFilter('set_filter_state', 'set_filter_state.v3.Config', {
    on_request_headers: [
      { object_key: 'test.state', factory_key: 'envoy.string', format_string: { text_format_source: { inline_string: 'of the state' } } },
    ],
  });
  const metadata = httpFilter('set_metadata', 'set_metadata.v3.Config', {
    metadata: [{ metadata_namespace: 'meta', value: { word: 'x', number: 3 } }],
  });
  const als = manager([httpService()], { http_filters: [state, metadata, router()] });
  const tls = {
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': type(`${tlsType}.DownstreamTlsContext`),
        common_tls_context: {
          tls_certificates: [pair(certificates.server)],
          alpn_protocols: ['h2', 'http/1.1'],
          validation_context: { trusted_ca: { filename: certificates.ca } },
        },
      },
    },
  };
  const kinds = { type: '%ACCESS_LOG_TYPE%', received: '%BYTES_RECEIVED%' };
  const start = { flush_access_log_on_new_request: true };
  return {
    node: { id: 'node', cluster: 'service', locality: { zone: 'zone' } },
    layered_runtime: {
      layers: [{ name: 'static', static_layer: { 'limit.low': 201, 'share.never': 0, 'share.always': 100 } }],
    },
    static_resources: {
      listeners: [
        listener(site, 'als', [als]),
        { ...listener(site, 'als-tls', []), filter_chains: [{ filters: [als], ...tls }] },
        listener(site, 'als-filtered', [manager([httpService({ filter: status('GE', 400) })])]),
        listener(site, 'als-tcp', [tcpProxy(site, { cluster: 'tcp', access_log: [tcpService] })]),
        listener(site, 'als-tcp-dead', [tcpProxy(site, { cluster: 'dead', access_log: [tcpService] })]),
        listener(site, 'otlp', [manager([otlp({})])]),
        listener(site, 'otlp-bare', [manager([otlp({ disable_builtin_labels: true, resource_attributes: {}, body: undefined })])]),
        listener(site, 'start', [manager([accessLog(site, kinds)], { access_log_options: start })]),
        listener(site, 'periodic', [manager([accessLog(site, kinds)], { access_log_options: { access_log_flush_interval: '0.2s' } })]),
        listener(site, 'tunnel', [
          manager([accessLog(site, kinds)], { access_log_options: { flush_log_on_tunnel_successfully_established: true } }),
        ]),
        listener(site, 'tcp-start', [
          tcpProxy(site, {
            cluster: 'tcp',
            access_log: [accessLog(site, kinds)],
            access_log_options: { flush_access_log_on_connected: true },
          }),
        ]),
        listener(site, 'tcp-start-dead', [
          tcpProxy(site, {
            cluster: 'dead',
            access_log: [accessLog(site, kinds)],
            access_log_options: { flush_access_log_on_connected: true },
          }),
        ]),
        listener(site, 'filtered', [manager(Object.entries(conditions).map(([tag, filter]) => ({ ...accessLog(site, { tag }), filter })))]),
      ],
      clusters: [...standardClusters(site), cluster('logs', [site.upstream('logs')], http2Upstream)],
    },
  };
}

/** How many entries Envoy sent for a case: ours are awaited. */
const expected = new Map<string, number>();

async function entries(proxy: ProxyUnderTest, name: string): Promise<unknown> {
  const wanted = expected.get(name);
  const until = Date.now() + (wanted === undefined ? 150 : 1500);
  while (Date.now() < until && (wanted === undefined || service.size < wanted)) await wait(5);
  if (wanted === 0) await wait(60);
  const found = service.take().map(masked);
  if (proxy.name === 'envoy') expected.set(name, found.length);
  return found;
}

const unmetered = /^time_to_(first|last)_upstream_tx_byte$|^time_to_last_upstream_rx_byte$|^time_to_first_downstream_tx_byte$/;

/** Times are there or not; ports are of the machine; the proxy has a name of its own. */
function masked(entry: unknown): unknown {
  return JSON.parse(
    JSON.stringify(entry, (key, inner: unknown) => {
      // Ours are not metered; one case compares that they are there.
      if (unmetered.test(key)) return undefined;
      if (/^(time_to_|duration$|start_time$|time_unix_nano$|observed_time)/.test(key)) return 'TIME';
      if (key === 'port_value') return 'PORT';
      if (key === 'tls_cipher_suite') return typeof inner;
      if (/^user_agent_(name|version|build_version)$/.test(key) || key === 'extensions') return undefined;
      // The family wire-bytes compares how many.
      if (/_bytes_(sent|received)$/.test(key)) return 'some';
      if (key === 'response_headers_bytes') return 'N';
      if (key === 'stream_id' || key === 'request_id') return 'ID';
      return inner;
    }),
  );
}

const sent = (
  name: string,
  does: Exchange | readonly Exchange[],
  replies: NonNullable<DifferentialCase['replies']> = {},
): DifferentialCase => ({
  name,
  does: [],
  run: async (proxy) => {
    proxy.reply(replies);
    service.take();
    for (const one of [does].flat()) await proxy.exchange(one);
    return await entries(proxy, name);
  },
});

const tls = { servername: 'server.example' };
const answered = { headers: [['x-answer', 'yes']] as const };
const grpcCall: Exchange = {
  kind: 'http2',
  to: 'als',
  method: 'POST',
  path: '/h2',
  headers: [['content-type', 'application/grpc']],
  body: 'x',
};

const times: DifferentialCase = {
  name: 'ALS times',
  does: [],
  run: async (proxy) => {
    service.take();
    await proxy.exchange({ to: 'als', path: '/a' });
    const until = Date.now() + 1500;
    while (Date.now() < until && service.size === 0) await wait(5);
    const [entry] = service.take();
    return [...JSON.stringify(entry).matchAll(/"(time_to_\w+)"/g)].map(([, name]) => name);
  },
};

const cases: DifferentialCase[] = [
  times,
  sent(
    'ALS plain',
    {
      to: 'als',
      path: '/a?b=c',
      headers: [
        ['x-tag', 'tagged'],
        ['user-agent', 'agent'],
        ['referer', 'from'],
      ],
    },
    answered,
  ),
  sent('ALS with a body', { to: 'als', method: 'POST', path: '/a', body: 'hello' }),
  ...['PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'TRACE', 'REPORT'].map((method) =>
    sent(`ALS ${method}`, { to: 'als', method, path: '/a' }),
  ),
  sent(
    'ALS two headers',
    {
      to: 'als',
      path: '/a',
      headers: [
        ['x-tag', 'one'],
        ['x-tag', 'two'],
      ],
    },
    {
      headers: [
        ['x-answer', '1'],
        ['x-answer', '2'],
      ],
    },
  ),
  sent('ALS HTTP/2', { kind: 'http2', to: 'als', path: '/a' }),
  sent('ALS HTTP/2 upstream', { to: 'als', path: '/h2' }),
  sent('ALS gRPC', grpcCall, { headers: [['content-type', 'application/grpc']], trailers: [['grpc-status', '5']] }),
  sent('ALS direct response', { to: 'als', path: '/direct' }),
  sent('ALS no route', { to: 'als', path: '/none' }),
  sent('ALS no cluster', { to: 'als', path: '/nowhere' }),
  sent('ALS nobody listens', { to: 'als', path: '/dead' }),
  sent('ALS no host', { to: 'als', path: '/empty' }),
  sent('ALS timeout', { to: 'als', path: '/timeout' }, { delayMs: 250 }),
  sent('ALS reset', { to: 'als', path: '/a' }, { instead: 'reset' }),
  sent('ALS aborted', { to: 'als', path: '/a', abortAfterMs: 40, timeoutMs: 150 }, { delayMs: 120 }),
  sent('ALS TLS', { to: 'als-tls', path: '/a', tls }),
  sent('ALS TLS with a client certificate', { to: 'als-tls', path: '/a', tls: { ...tls, clientCertificate: true } }),
  sent('ALS filtered out', { to: 'als-filtered', path: '/a' }),
  sent('ALS filtered in', { to: 'als-filtered', path: '/a' }, { status: 404 }),
  sent('ALS TCP', { kind: 'tcp', to: 'als-tcp', send: 'hello' }),
  sent('ALS TCP to nobody', { kind: 'tcp', to: 'als-tcp-dead', send: 'hello' }),
  sent('OpenTelemetry', { to: 'otlp', path: '/a' }),
  sent('OpenTelemetry 503', { to: 'otlp', path: '/dead' }),
  sent('OpenTelemetry without labels', { to: 'otlp-bare', path: '/a' }),
  { name: 'at the start', does: { to: 'start', path: '/a' }, logs: 2 },
  { name: 'at the start of a refused one', does: { to: 'start', path: '/none' }, logs: 2 },
  { name: 'periodic', does: { to: 'periodic', path: '/a' }, replies: { delayMs: 300 }, logs: 2 },
  { name: 'periodic, too short', does: { to: 'periodic', path: '/a' }, logs: 1 },
  {
    name: 'when a tunnel stands',
    does: {
      to: 'tunnel',
      path: '/upgrade',
      headers: [
        ['connection', 'upgrade'],
        ['upgrade', 'websocket'],
      ],
      tunnel: 'hello',
    },
    replies: {
      status: 101,
      headers: [
        ['connection', 'upgrade'],
        ['upgrade', 'websocket'],
      ],
      tunnel: true,
    },
    logs: 2,
  },
  { name: 'when TCP is connected', does: { kind: 'tcp', to: 'tcp-start', send: 'hello' }, logs: 2 },
  ...['200', '201', '404', '500'].map(
    (code): DifferentialCase => ({
      name: `filters ${code}`,
      does: { to: 'filtered', path: '/a' },
      replies: { status: Number(code) },
      logs: 6,
      unordered: true,
    }),
  ),
  {
    name: 'filters traced',
    does: { to: 'filtered', path: '/a', headers: [['x-request-id', '12345678-1234-9234-8234-123456789abc']] },
    logs: 6,
    unordered: true,
  },
  { name: 'filters header', does: { to: 'filtered', path: '/a', headers: [['x-log', 'yes']] }, logs: 6, unordered: true },
  { name: 'filters other header', does: { to: 'filtered', path: '/a', headers: [['x-log', 'no']] }, logs: 6, unordered: true },
  {
    name: 'filters two headers',
    does: {
      to: 'filtered',
      path: '/a',
      headers: [
        ['x-log', 'yes'],
        ['x-log', 'no'],
      ],
    },
    logs: 6,
    unordered: true,
  },
  { name: 'filters no route', does: { to: 'filtered', path: '/none' }, logs: 6, unordered: true },
  { name: 'filters nobody listens', does: { to: 'filtered', path: '/dead' }, logs: 6, unordered: true },
];

export const accessLoggers: DifferentialFamily = {
  name: 'access-loggers',
  about: 'access logs of gRPC services and OpenTelemetry, entries before the end, filters',
  bootstrap,
  peers: { logs: () => service.start() },
  cases,
  known: {
    'ALS times': {
      why: 'When single bytes went on is not metered: entries tell the times of the request’s end, the response’s begin and the end.',
      differs: {
        result: [
          [
            'time_to_last_rx_byte',
            'time_to_first_upstream_tx_byte',
            'time_to_last_upstream_tx_byte',
            'time_to_first_upstream_rx_byte',
            'time_to_last_upstream_rx_byte',
            'time_to_first_downstream_tx_byte',
            'time_to_last_downstream_tx_byte',
          ],
          ['time_to_last_rx_byte', 'time_to_first_upstream_rx_byte', 'time_to_last_downstream_tx_byte'],
        ],
      },
    },
  },
};
