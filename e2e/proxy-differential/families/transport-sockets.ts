import { accessLog, address, httpConnectionManager, listener, tcpProxy, type, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Exchange, Json, Site } from '../harness/family.ts';

const raw: Json = { name: 'raw', typed_config: { '@type': type('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer') } };
const counted: Json = {
  name: 'tcp_stats',
  typed_config: { '@type': type('envoy.extensions.transport_sockets.tcp_stats.v3.Config'), transport_socket: raw },
};
const tls = (more: Json = {}): Json => ({
  name: 'tls',
  typed_config: {
    '@type': type('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
    sni: 'server.example',
    common_tls_context: {},
    ...more,
  },
});
const match = (name: string, labels: Json, transport_socket: Json): Json => ({ name, match: labels, transport_socket });
const labels = (values: Json): Json => ({ metadata: { filter_metadata: { 'envoy.transport_socket_match': values } } });

const socketInputs = 'envoy.extensions.matching.common_inputs.transport_socket.v3.';
const input = (name: string, filter: string, ...path: string[]): Json => ({
  name: 'input',
  typed_config: { '@type': type(`${socketInputs}${name}`), filter, path: path.map((key) => ({ key })) },
});
const use = (name: string): Json => ({
  action: { name, typed_config: { '@type': type(`${socketInputs}TransportSocketNameAction`), name } },
});
const byMap = (from: Json, map: Json, more: Json = {}): Json => ({
  transport_socket_matcher: { matcher_tree: { input: from, exact_match_map: { map } }, ...more },
});

interface Setup {
  readonly tls?: boolean;
  readonly endpoint?: Json;
  readonly locality?: Json;
  readonly host?: string;
  readonly cluster: Json;
}

const both = [match('secure', { tlsMode: 'istio' }, tls()), match('plain', { tlsMode: 'disabled' }, raw)];
const named = [match('secure', {}, tls()), match('plain', {}, raw)];
const source = (host: string, more: Json = {}): Json => ({
  upstream_bind_config: { source_address: address(0, host)['socket_address'], ...more },
});
const endpointMap = byMap(input('EndpointMetadataInput', 'envoy.lb', 'mode'), { tls: use('secure'), raw: use('plain') });

/** A cluster each, and a route to it: towards a TLS server where `tls` is set, else towards a plain one. */
const setups: Readonly<Record<string, Setup>> = {
  'labels-tls': { tls: true, endpoint: labels({ tlsMode: 'istio' }), cluster: { transport_socket_matches: both } },
  'labels-plain': { endpoint: labels({ tlsMode: 'disabled' }), cluster: { transport_socket_matches: both } },
  'labels-more-than-asked': { tls: true, endpoint: labels({ tlsMode: 'istio', more: 1 }), cluster: { transport_socket_matches: both } },
  'labels-none': { endpoint: {}, cluster: { transport_socket_matches: both } },
  'labels-none-default-tls': { tls: true, endpoint: {}, cluster: { transport_socket_matches: both, transport_socket: tls() } },
  'labels-of-locality': { tls: true, locality: labels({ tlsMode: 'istio' }), cluster: { transport_socket_matches: both } },
  'labels-of-both': {
    endpoint: labels({ tlsMode: 'disabled' }),
    locality: labels({ tlsMode: 'istio' }),
    cluster: { transport_socket_matches: both },
  },
  'labels-of-locality-other-key': {
    tls: true,
    endpoint: labels({ other: 1 }),
    locality: labels({ tlsMode: 'istio' }),
    cluster: { transport_socket_matches: both },
  },
  'labels-boolean': {
    tls: true,
    endpoint: labels({ on: true }),
    cluster: { transport_socket_matches: [match('on', { on: true }, tls())] },
  },
  'labels-boolean-as-text': { endpoint: labels({ on: 'true' }), cluster: { transport_socket_matches: [match('on', { on: true }, tls())] } },
  'labels-number': { tls: true, endpoint: labels({ n: 1 }), cluster: { transport_socket_matches: [match('n', { n: 1 }, tls())] } },
  'labels-list': { tls: true, endpoint: labels({ n: ['a', 'b'] }), cluster: { transport_socket_matches: [match('n', { n: 'b' }, tls())] } },
  'labels-empty-match': { tls: true, endpoint: {}, cluster: { transport_socket_matches: [match('any', {}, tls())] } },
  'labels-first': {
    tls: true,
    endpoint: labels({ a: 1, b: 1 }),
    cluster: { transport_socket_matches: [match('b', { b: 1 }, tls()), match('a', { a: 1 }, raw)] },
  },
  'matcher-tls': {
    tls: true,
    endpoint: { metadata: { filter_metadata: { 'envoy.lb': { mode: 'tls' } } } },
    cluster: { transport_socket_matches: named, ...endpointMap },
  },
  'matcher-plain': {
    endpoint: { metadata: { filter_metadata: { 'envoy.lb': { mode: 'raw' } } } },
    cluster: { transport_socket_matches: named, ...endpointMap },
  },
  'matcher-no-value': { endpoint: {}, cluster: { transport_socket_matches: named, ...endpointMap } },
  'matcher-no-value-default-tls': {
    tls: true,
    endpoint: {},
    cluster: { transport_socket_matches: named, transport_socket: tls(), ...endpointMap },
  },
  'matcher-otherwise': {
    tls: true,
    endpoint: {},
    cluster: {
      transport_socket_matches: named,
      ...byMap(input('EndpointMetadataInput', 'x', 'y'), { a: use('plain') }, { on_no_match: use('secure') }),
    },
  },
  'matcher-locality': {
    tls: true,
    locality: { metadata: { filter_metadata: { place: { kind: { of: 'far' } } } } },
    cluster: { transport_socket_matches: named, ...byMap(input('LocalityMetadataInput', 'place', 'kind', 'of'), { far: use('secure') }) },
  },
  'matcher-endpoint-is-not-locality': {
    locality: { metadata: { filter_metadata: { 'envoy.lb': { mode: 'tls' } } } },
    endpoint: { metadata: { filter_metadata: { 'envoy.lb': { mode: 'raw' } } } },
    cluster: { transport_socket_matches: named, ...endpointMap },
  },
  'matcher-number': {
    tls: true,
    endpoint: { metadata: { filter_metadata: { 'envoy.lb': { mode: 7 } } } },
    cluster: { transport_socket_matches: named, ...byMap(input('EndpointMetadataInput', 'envoy.lb', 'mode'), { '7': use('secure') }) },
  },
  'tcp-stats': { cluster: { transport_socket: counted } },
  'source-address': { cluster: source('127.0.0.5') },
  'source-of-other-family-first': {
    cluster: source('::1', { extra_source_addresses: [{ address: address(0, '127.0.0.6')['socket_address'] }] }),
  },
  'source-of-other-family': { cluster: source('::1') },
  'source-not-ours': { cluster: source('192.0.2.1') },
  'source-of-manager': { cluster: {} },
  'source-tls': { tls: true, cluster: { ...source('127.0.0.8'), transport_socket: tls() } },
};

const clusterOf = (site: Site, name: string, setup: Setup): Json => ({
  name,
  connect_timeout: '1s',
  type: 'STATIC',
  load_assignment: {
    cluster_name: name,
    endpoints: [
      {
        ...setup.locality,
        lb_endpoints: [{ ...setup.endpoint, endpoint: { address: address(site.upstream(setup.tls === true ? 's' : 'a')) } }],
      },
    ],
  },
  ...setup.cluster,
});

const get = (name: string): Exchange => ({ path: `/${name}/x` });

export const transportSockets: DifferentialFamily = {
  name: 'transport-sockets',
  about: 'Which transport socket a host gets, by labels and by matchers, and which own address connections come from.',
  upstreams: { a: 'http1', s: 'https1', tcp: 'tcp' },
  bootstrap: (site) => ({
    cluster_manager: { upstream_bind_config: { source_address: address(0, '127.0.0.7')['socket_address'] } },
    static_resources: {
      listeners: [
        listener(site, 'http', [
          httpConnectionManager(
            site,
            [virtualHost(Object.keys(setups).map((name) => ({ name, match: { prefix: `/${name}/` }, route: { cluster: name } })))],
            {
              access_log: [accessLog(site, { local: '%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', tls: '%UPSTREAM_TLS_VERSION%' })],
            },
          ),
        ]),
        listener(site, 'tcp', [
          tcpProxy(site, { cluster: 'tcp', access_log: [accessLog(site, { local: '%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%' })] }),
        ]),
      ],
      clusters: [
        ...Object.entries(setups).map(([name, setup]) => clusterOf(site, name, setup)),
        {
          name: 'tcp',
          connect_timeout: '1s',
          type: 'STATIC',
          load_assignment: {
            cluster_name: 'tcp',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: address(site.upstream('tcp')) } }] }],
          },
          ...source('127.0.0.9'),
        },
      ],
    },
  }),
  cases: [
    ...Object.keys(setups).map((name): DifferentialCase => ({ name, does: get(name) })),
    { name: 'source address of TCP', does: { kind: 'tcp', send: 'hello', to: 'tcp' } },
  ],
  stats: Object.entries(setups).flatMap(([name, { cluster }]) =>
    Array.isArray(cluster['transport_socket_matches'])
      ? [`cluster.${name}.secure.total_match_count`, `cluster.${name}.default.total_match_count`]
      : [],
  ),
};
