import type { CertificateFiles } from '../harness/certificates.ts';
import { cluster, http2Upstream, httpConnectionManager, listener, tcpProxy, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, Site } from '../harness/family.ts';

const words = (text: string): string[] => text.trim().split(/\s+/);

/** Operators whose values are the same in two runs; `mask` in the name of a group says what is left of others. */
const same = words(`
  REQ(:METHOD) REQ(X-ENVOY-ORIGINAL-PATH?:PATH) REQ(USER-AGENT):5 RESP(:STATUS) RESP(CONTENT-TYPE) TRAILER(GRPC-STATUS)
  PATH(NQ) QUERY_PARAM(a) QUERY_PARAMS(ORIG) BYTES_RECEIVED BYTES_SENT PROTOCOL RESPONSE_CODE
  RESPONSE_CODE_DETAILS REQUEST_HEADERS_BYTES RESPONSE_TRAILERS_BYTES UPSTREAM_PROTOCOL RESPONSE_FLAGS
  RESPONSE_FLAGS_LONG CONNECTION_TERMINATION_DETAILS UPSTREAM_HOST UPSTREAM_HOST_NAME UPSTREAM_HOST_NAME_WITHOUT_PORT
  UPSTREAM_HOSTS_ATTEMPTED UPSTREAM_HOST_NAMES_ATTEMPTED UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_ADDRESS UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_PORT
  UPSTREAM_TRANSPORT_FAILURE_REASON UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_PEER_SUBJECT UPSTREAM_PEER_ISSUER UPSTREAM_PEER_URI_SAN
  UPSTREAM_PEER_DNS_SAN UPSTREAM_PEER_IP_SAN UPSTREAM_LOCAL_URI_SAN UPSTREAM_LOCAL_DNS_SAN UPSTREAM_TLS_VERSION UPSTREAM_SERVER_NAME
  DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT DOWNSTREAM_TLS_VERSION DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_PEER_DNS_SAN
  DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_EMAIL_SAN DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_ISSUER DOWNSTREAM_LOCAL_URI_SAN
  DOWNSTREAM_LOCAL_DNS_SAN DOWNSTREAM_LOCAL_IP_SAN DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_TRANSPORT_FAILURE_REASON
  DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_LOCAL_CLOSE_REASON UPSTREAM_DETECTED_CLOSE_TYPE UPSTREAM_LOCAL_CLOSE_REASON
  REQUESTED_SERVER_NAME ROUTE_NAME VIRTUAL_CLUSTER_NAME FILTER_CHAIN_NAME LISTENER_NAME GRPC_STATUS GRPC_STATUS_NUMBER
  DYNAMIC_METADATA(none) CLUSTER_METADATA(meta:key) UPSTREAM_METADATA(meta:key) METADATA(ROUTE:meta:key)
  METADATA(VIRTUAL_HOST:meta:key) METADATA(LISTENER:meta:key) METADATA(LISTENER_FILTER_CHAIN:meta:key)
  METADATA(UPSTREAM_HOST:meta:key) METADATA(CLUSTER:meta:key) FILTER_STATE(none) ENVIRONMENT(NONE) ACCESS_LOG_TYPE
  DOWNSTREAM_HEADER_BYTES_RECEIVED DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT
  UPSTREAM_HEADER_BYTES_SENT UPSTREAM_HEADER_BYTES_RECEIVED UPSTREAM_WIRE_BYTES_SENT UPSTREAM_WIRE_BYTES_RECEIVED`);

/** Only whether there is a value is compared: times, ports, identifiers, what peers agree on. */
const present = words(`
  START_TIME DURATION REQUEST_DURATION REQUEST_TX_DURATION RESPONSE_DURATION RESPONSE_TX_DURATION ROUNDTRIP_DURATION
  DOWNSTREAM_HANDSHAKE_DURATION UPSTREAM_CONNECTION_POOL_READY_DURATION COMMON_DURATION(DS_RX_BEG:DS_RX_END:ms)
  COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms) CONNECTION_ID UPSTREAM_CONNECTION_ID UPSTREAM_CONNECTION_IDS_ATTEMPTED
  UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_PORT DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_PORT DOWNSTREAM_DIRECT_REMOTE_PORT
  DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_SESSION_ID UPSTREAM_TLS_CIPHER UPSTREAM_TLS_SESSION_ID DOWNSTREAM_PEER_SERIAL
  DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_FINGERPRINT_1 DOWNSTREAM_PEER_CERT DOWNSTREAM_PEER_CERT_V_START
  DOWNSTREAM_PEER_CERT_V_END UPSTREAM_PEER_CERT UPSTREAM_PEER_CERT_V_START UPSTREAM_PEER_CERT_V_END STREAM_ID TRACE_ID HOSTNAME
  UNIQUE_ID RESPONSE_HEADERS_BYTES`);

const metadata = (value: string): Json => ({ metadata: { filter_metadata: { meta: { key: value } } } });

function log(site: Site): Json {
  const key = (operator: string): string => operator.replaceAll(/[^A-Za-z0-9]+/g, '_').replace(/_$/, '');
  return {
    name: 'file',
    typed_config: {
      '@type': type('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
      path: site.logFile,
      log_format: { json_format: Object.fromEntries([...same, ...present].map((operator) => [key(operator), `%${operator}%`])) },
    },
  };
}

const keysOfPresent = new Set(present.map((operator) => operator.replaceAll(/[^A-Za-z0-9]+/g, '_').replace(/_$/, '')));

/** Compared in one case of their own: ours has no values for them. */
const meters = /POOL_READY|US_TX_BEG|HANDSHAKE_DURATION/;
/** How many, the family wire-bytes compares. */
const someBytes = /_(WIRE|HEADER)_BYTES_/;

function masked(line: Json): Json {
  return Object.fromEntries(
    Object.entries(line)
      .filter(([key]) => !meters.test(key))
      .map(([key, value]) => [
        key,
        someBytes.test(key) && Number(value) > 0
          ? 'some'
          : keysOfPresent.has(key) && value !== null
            ? value === ''
              ? ''
              : 'present'
            : value,
      ]),
  );
}

const tlsType = 'envoy.extensions.transport_sockets.tls.v3';
const pair = (files: CertificateFiles): Json => ({
  certificate_chain: { filename: files.certificate },
  private_key: { filename: files.key },
});

function bootstrap(site: Site): Json {
  const { certificates } = site;
  const socket = (message: string, config: Json): Json => ({
    transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: { '@type': type(`${tlsType}.${message}`), ...config } },
  });
  const trusted = { validation_context: { trusted_ca: { filename: certificates.ca } } };
  const routes = [
    { name: 'named', match: { prefix: '/named' }, ...metadata('route'), route: { cluster: 'named' } },
    ...['secure', 'h2', 'dead', 'empty'].map((name) => ({ match: { path_separated_prefix: `/${name}` }, route: { cluster: name } })),
    { match: { prefix: '/retry' }, route: { cluster: 'a', retry_policy: { retry_on: '5xx', num_retries: 2 } } },
    { match: { prefix: '/timeout' }, route: { cluster: 'a', timeout: '0.1s' } },
    { match: { prefix: '/redirect' }, redirect: { path_redirect: '/x' } },
    { match: { prefix: '/direct' }, direct_response: { status: 418, body: { inline_string: 'teapot' } } },
    { match: { prefix: '/a' }, route: { cluster: 'a' } },
  ];
  const virtual_clusters = [{ name: 'gets', headers: [{ name: ':method', string_match: { exact: 'GET' } }] }];
  const host = virtualHost(routes, { virtual_clusters, ...metadata('virtual host') });
  const manager = httpConnectionManager(site, [host], { access_log: [log(site)] });
  const endpoint = { hostname: 'host.example', address: { socket_address: { address: '127.0.0.1', port_value: site.upstream('a') } } };
  const named = { endpoint, ...metadata('host') };
  return {
    static_resources: {
      listeners: [
        {
          ...listener(site, 'http', [], metadata('listener')),
          filter_chains: [{ name: 'chain', filters: [manager], ...metadata('chain') }],
        },
        {
          ...listener(site, 'tls', []),
          filter_chains: [
            {
              filters: [manager],
              ...socket('DownstreamTlsContext', {
                common_tls_context: { tls_certificates: [pair(certificates.server)], alpn_protocols: ['h2', 'http/1.1'], ...trusted },
              }),
            },
          ],
        },
        listener(site, 'tcp', [tcpProxy(site, { cluster: 'tcp', access_log: [log(site)] })]),
        listener(site, 'tcp-dead', [tcpProxy(site, { cluster: 'dead', access_log: [log(site)] })]),
        listener(site, 'tcp-tries', [tcpProxy(site, { cluster: 'dead', max_connect_attempts: 3, access_log: [log(site)] })]),
      ],
      clusters: [
        cluster('a', [site.upstream('a')]),
        cluster('named', [], {
          alt_stat_name: 'another',
          ...metadata('cluster'),
          load_assignment: { cluster_name: 'named', endpoints: [{ lb_endpoints: [named] }] },
        }),
        cluster(
          'secure',
          [site.upstream('secure')],
          socket('UpstreamTlsContext', {
            sni: 'server.example',
            common_tls_context: { ...trusted, tls_certificates: [pair(certificates.client)] },
          }),
        ),
        cluster('h2', [site.upstream('h2')], http2Upstream),
        cluster('tcp', [site.upstream('tcp')]),
        cluster('dead', [site.deadPort]),
        cluster('empty', []),
      ],
    },
  };
}

/** The log lines of one exchange are the observation. */
const logged = (name: string, does: Exchange, replies?: NonNullable<DifferentialCase['replies']>, lines = 1): DifferentialCase => ({
  name,
  does: [],
  run: async (proxy) => {
    proxy.reply(replies ?? {});
    await proxy.exchange(does);
    return (await proxy.takeLog(lines)).map(masked);
  },
});

/** What connections meter. */
const metered: DifferentialCase = {
  name: 'times of connections',
  does: [],
  run: async (proxy) => {
    proxy.reply({});
    await proxy.exchange({ to: 'tls', method: 'POST', path: '/a', body: 'hello', tls: { servername: 'server.example' } });
    const [line = {}] = await proxy.takeLog(1);
    return Object.keys(line).filter((key) => meters.test(key) && line[key] !== null && line[key] !== undefined);
  },
};

const tls = { servername: 'server.example' };

const cases: DifferentialCase[] = [
  metered,
  logged('plain', { path: '/a?a=b' }),
  logged('plain with a body', { method: 'POST', path: '/a', body: 'hello' }),
  logged('named host, cluster and metadata', { path: '/named' }),
  logged('HTTP/2', { kind: 'http2', path: '/a' }),
  logged('TLS', { to: 'tls', path: '/a', tls }),
  logged('TLS with a client certificate', { to: 'tls', path: '/a', tls: { ...tls, clientCertificate: true } }),
  logged('HTTP/2 over TLS', { kind: 'http2', to: 'tls', path: '/a', tls: { ...tls, alpn: ['h2'] } }),
  logged('upstream TLS', { path: '/secure' }),
  logged('upstream HTTP/2', { path: '/h2' }),
  logged(
    'gRPC',
    { kind: 'http2', method: 'POST', path: '/h2', headers: [['content-type', 'application/grpc']], body: 'x' },
    { headers: [['content-type', 'application/grpc']], trailers: [['grpc-status', '5']] },
  ),
  logged('gRPC local reply', { kind: 'http2', method: 'POST', path: '/none', headers: [['content-type', 'application/grpc']], body: 'x' }),
  logged('retry', { path: '/retry' }, [{ status: 503 }, {}]),
  logged('retry in vain', { path: '/retry' }, { status: 503 }),
  logged('timeout', { path: '/timeout' }, { delayMs: 300 }),
  logged('refused by upstream', { path: '/dead' }),
  logged('no healthy host', { path: '/empty' }),
  logged('reset by upstream', { path: '/a' }, { instead: 'reset' }),
  logged('cut by upstream', { path: '/a' }, { body: 'half', headers: [['content-length', '10']], cut: 'close' }),
  logged('no route', { path: '/none' }),
  logged('redirect', { path: '/redirect' }),
  logged('direct response', { path: '/direct' }),
  logged('aborted by the client', { path: '/a', abortAfterMs: 50, timeoutMs: 200 }, { delayMs: 150 }),
  logged('malformed', { raw: 'GET / HTTP/1.1\r\nbad header\r\n\r\n' }),
  logged('without a host', { host: null, path: '/a' }),
  logged('TCP', { kind: 'tcp', to: 'tcp', send: 'hello' }),
  logged('TCP to nobody', { kind: 'tcp', to: 'tcp-dead', send: 'hello' }),
  logged('TCP to nobody, three tries', { kind: 'tcp', to: 'tcp-tries', send: 'hello' }),
];

export const accessLogOperators: DifferentialFamily = {
  name: 'access-log-operators',
  about: 'values of all access-log operators in the situations that decide about them',
  upstreams: { a: 'http1', h2: 'http2', secure: 'https1', tcp: 'tcp' },
  bootstrap,
  cases,
  known: {
    'times of connections': {
      why: 'Times of handshakes and connection pools are not metered.',
      differs: {
        result: [
          ['COMMON_DURATION_US_TX_BEG_US_RX_BEG_ms', 'DOWNSTREAM_HANDSHAKE_DURATION', 'UPSTREAM_CONNECTION_POOL_READY_DURATION'],
          [],
        ],
      },
    },
    'gRPC local reply': {
      why: 'The end of a request that was answered before it is logged when it comes; so are the bytes of the answer.',
      differs: {
        'result.0.COMMON_DURATION_DS_RX_BEG_DS_RX_END_ms': [null, 'present'],
        'result.0.DOWNSTREAM_HEADER_BYTES_SENT': [0, 'some'],
        'result.0.DOWNSTREAM_WIRE_BYTES_SENT': [0, 'some'],
        'result.0.REQUEST_DURATION': [null, 'present'],
      },
    },
    'without a host': {
      why: 'A request that was refused knows no virtual host; its header bytes count names that Envoy adds later.',
      differs: {
        'result.0.METADATA_VIRTUAL_HOST_meta_key': ['virtual host', null],
        'result.0.REQUEST_HEADERS_BYTES': [17, 38],
      },
    },
  },
};
