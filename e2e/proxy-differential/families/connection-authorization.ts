import { Authorization, type CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import { accessLog, cluster, http2Upstream, listener, standardClusters, tcpProxy, type } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Json } from '../harness/family.ts';
import { type GrpcAnswer, GrpcPeer } from '../peers/grpc-peer.ts';

/** What the authorizer does depends on where a connection comes from. */
const authorizer = new GrpcPeer(Authorization.method.check, ({ attributes }): GrpcAnswer<typeof CheckResponseSchema> => {
  const address = attributes?.source?.address?.address;
  const from = address?.case === 'socketAddress' ? address.value.address : '';
  if (from === '127.0.0.2') return { status: { code: 7 } };
  if (from === '127.0.0.3') return { error: 13 };
  if (from === '127.0.0.4') return 'hang';
  if (from === '127.0.0.5') return { status: { code: 16 }, dynamicMetadata: { who: 'five' } };
  return { status: { code: 0 }, dynamicMetadata: { who: from } };
});

const networkFilter = (name: string, message: string, config: Json): Json => ({
  name: `envoy.filters.network.${name}`,
  typed_config: { '@type': type(`envoy.extensions.filters.network.${message}`), ...config },
});
const grpc = (name = 'authz'): Json => ({ grpc_service: { envoy_grpc: { cluster_name: name }, timeout: '0.3s' } });
const marks: Json = {
  shadow_rules: {
    action: 'DENY',
    policies: {
      'asked-one': {
        permissions: [{ any: true }],
        principals: [{ direct_remote_ip: { address_prefix: '127.0.0.2', prefix_len: 32 } }],
      },
    },
  },
  shadow_rules_stat_prefix: 'istio_ext_authz_',
};
const whereMarked: Json = {
  filter_enabled_metadata: {
    filter: 'envoy.filters.network.rbac',
    path: [{ key: 'istio_ext_authz_shadow_effective_policy_id' }],
    value: { string_match: { prefix: 'asked' } },
  },
};

/** Fields of the filter, one listener for each. */
const listeners: Readonly<Record<string, Json>> = {
  plain: grpc(),
  open: { ...grpc(), failure_mode_allow: true },
  dead: grpc('dead'),
  'dead-open': { ...grpc('dead'), failure_mode_allow: true },
  marked: { ...grpc(), ...whereMarked },
  labels: { ...grpc(), bootstrap_metadata_labels_key: 'labels', include_tls_session: true, include_peer_certificate: true },
};

const asks = (to: string, from: string, how: 'sends' | 'waits' = 'sends'): DifferentialCase => ({
  name: `${to} from ${from}${how === 'waits' ? ', silent' : ''}`,
  does: [],
  run: async (proxy) => {
    authorizer.take();
    // Whether unread bytes make a close a reset is a race: the bytes that are refused have been read.
    const answer = await proxy.exchange({
      kind: 'tcp',
      to,
      from,
      ...(how === 'sends' ? { send: 'some bytes' } : {}),
      open: true,
      timeoutMs: 600,
    });
    const asked = JSON.parse(JSON.stringify(authorizer.take()).replaceAll(/"portValue":\d+/g, '"portValue":0'));
    return { answer, asked, log: await proxy.takeLog(1) };
  },
});

export const connectionAuthorization: DifferentialFamily = {
  name: 'connection-authorization',
  about: 'envoy.filters.network.ext_authz against a real gRPC authorizer, and with rbac that marks whom it is asked about',
  waits: true,
  peers: { authz: async () => authorizer.start() },
  bootstrap: (site) => ({
    node: { id: 'n', cluster: 'c', metadata: { labels: { app: 'details', version: 'v1' } } },
    static_resources: {
      listeners: Object.entries(listeners).map(([name, config]) =>
        listener(site, name, [
          ...(name === 'marked' ? [networkFilter('rbac', 'rbac.v3.RBAC', { stat_prefix: 'tcp.', ...marks })] : []),
          networkFilter('ext_authz', 'ext_authz.v3.ExtAuthz', { stat_prefix: `${name}.`, transport_api_version: 'V3', ...config }),
          tcpProxy(site, {
            stat_prefix: name,
            cluster: 'tcp',
            access_log: [accessLog(site, { who: '%DYNAMIC_METADATA(envoy.filters.network.ext_authz:who)%' })],
          }),
        ]),
      ),
      clusters: [...standardClusters(site), cluster('authz', [site.upstream('authz')], http2Upstream)],
    },
  }),
  cases: [
    ...['127.0.0.1', '127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5'].flatMap((from) => [asks('plain', from), asks('open', from)]),
    asks('plain', '127.0.0.1', 'waits'),
    asks('dead', '127.0.0.1'),
    asks('dead-open', '127.0.0.1'),
    asks('marked', '127.0.0.1'),
    asks('marked', '127.0.0.2'),
    asks('labels', '127.0.0.1'),
  ],
  stats: ['plain', 'open', 'dead', 'dead-open', 'marked'].flatMap((name) =>
    ['total', 'ok', 'denied', 'error', 'failure_mode_allowed', 'disabled', 'cx_closed', 'active'].flatMap((what) => [
      `ext_authz.${name}.${what}`,
      `ext_authz.${name}..${what}`,
    ]),
  ),
};
