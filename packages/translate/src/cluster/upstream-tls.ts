import type { Cluster_TransportSocketMatchSchema, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { ProxyProtocolConfig_Version } from '@xebec/protos/envoy/config/core/v3/proxy_protocol';
import { ProxyProtocolUpstreamTransportSchema } from '@xebec/protos/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol';
import { RawBufferSchema } from '@xebec/protos/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import { TlsParameters_TlsProtocol } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { type CommonTlsContextSchema, UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { ClientTls, MeshConfig, TrafficPolicy } from '@xebec/schemas';
import { extension, type Fields } from '../envoy/any.ts';
import { ADS_SECRET_SOURCE, SDS_SOURCE, type sdsFileSource } from '../envoy/config-source.ts';
import { withExchange } from '../peer-exchange.ts';

type ClusterInit = Fields<typeof ClusterSchema>;
type Common = Fields<typeof CommonTlsContextSchema>;
type Socket = ReturnType<typeof tlsSocket>;

const TLS = 'envoy.transport_sockets.tls';
const PROXY_PROTOCOL = 'envoy.transport_sockets.upstream_proxy_protocol';
/** What mTLS inside the mesh offers: the peer's filter chains tell by it that the caller is a sidecar. */
const MESH_ALPN = 'istio';

export interface UpstreamTls {
  /** The cluster always speaks HTTP/2. */
  readonly http2: boolean;
  /** Who calls tells the peers of its TCP connections who it is. */
  readonly exchangesPeers: boolean;
  /** Server name of mesh mTLS. */
  readonly meshServerName: string;
  /** Identities that endpoints may prove; empty: any that the trust bundle vouches for. */
  readonly identities: readonly string[];
  /** Whether mTLS is up to the mesh: `by-endpoint` where each endpoint's metadata decides, `always` where all have a sidecar. */
  readonly automatic: 'off' | 'by-endpoint' | 'always';
  /** The service comes from a ServiceEntry, whose own names are those to check. */
  readonly external: boolean;
  readonly tlsDefaults: MeshConfig['tlsDefaults'];
  /** Where files come from. */
  readonly fileSource: ReturnType<typeof sdsFileSource>;
}

/** Transport socket, or sockets by endpoint, of a cluster. */
export function transportFields(policy: TrafficPolicy, view: UpstreamTls): ClusterInit {
  return withProxyProtocol(tlsFields(policy.tls, view), policy.proxyProtocol);
}

interface Sockets {
  transportSocket?: Socket;
  transportSocketMatches?: Fields<typeof Cluster_TransportSocketMatchSchema>[];
}

function tlsFields(tls: ClientTls | undefined, view: UpstreamTls): Sockets {
  if (tls === undefined) {
    if (view.automatic === 'off') return {};
    const socket = meshTls(view, {});
    if (view.automatic === 'always') return { transportSocket: socket };
    return {
      transportSocketMatches: [
        { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: socket },
        { name: 'tlsMode-disabled', match: {}, transportSocket: rawBuffer() },
      ],
    };
  }
  if (tls.mode === 'ISTIO_MUTUAL') return { transportSocket: meshTls(view, tls) };
  if (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL') return {};
  const own = ownTls(tls, view);
  return own === undefined ? {} : { transportSocket: own };
}

/** Each socket inside one that says first, by the PROXY protocol, who the caller is. */
function withProxyProtocol(sockets: Sockets, protocol: TrafficPolicy['proxyProtocol']): Sockets {
  if (protocol === undefined) return sockets;
  const version = protocol.version === 'V2' ? ProxyProtocolConfig_Version.V2 : ProxyProtocolConfig_Version.V1;
  const wrap = (transportSocket: NonNullable<Fields<typeof ClusterSchema>['transportSocket']>) =>
    extension(PROXY_PROTOCOL, ProxyProtocolUpstreamTransportSchema, { config: { version }, transportSocket });
  if (sockets.transportSocketMatches !== undefined)
    return {
      transportSocketMatches: sockets.transportSocketMatches.map((match) => ({
        ...match,
        transportSocket: wrap(match.transportSocket ?? rawBuffer()),
      })),
    };
  return { transportSocket: wrap(sockets.transportSocket ?? extension('raw_buffer', RawBufferSchema)) };
}

function rawBuffer() {
  return extension('envoy.transport_sockets.raw_buffer', RawBufferSchema);
}

function tlsSocket(init: Fields<typeof UpstreamTlsContextSchema>) {
  return extension(TLS, UpstreamTlsContextSchema, init);
}

function sanMatchers(names: readonly string[]) {
  return names.map((exact) => ({ matchPattern: { case: 'exact' as const, value: exact } }));
}

const VERSIONS = {
  tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
  tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
};

function meshTls(view: UpstreamTls, tls: ClientTls) {
  return tlsSocket({
    commonTlsContext: {
      tlsParams: VERSIONS,
      tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: SDS_SOURCE }],
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: { matchSubjectAltNames: sanMatchers(tls.subjectAltNames ?? view.identities) },
          validationContextSdsSecretConfig: { name: 'ROOTCA', sdsConfig: SDS_SOURCE },
        },
      },
      alpnProtocols: withExchange(view.exchangesPeers, view.http2 ? [MESH_ALPN, 'h2'] : [MESH_ALPN]),
    },
    sni: tls.sni === undefined || tls.sni === '' ? view.meshServerName : tls.sni,
  });
}

/** TLS that the user spelled out: certificates by Secret (`credentialName`), by file, or the system's roots. */
function ownTls(tls: ClientTls, view: UpstreamTls): Socket | undefined {
  const listed = tls.subjectAltNames ?? [];
  const names = listed.length === 0 && view.external ? view.identities : listed;
  const credential = tls.credentialName ?? '';
  const secrets = credential === '' ? fileSecrets(tls, names, view.fileSource) : credentialSecrets(tls, credential, names);
  if (secrets === undefined) return undefined;
  return tlsSocket({
    commonTlsContext: {
      ...secrets,
      tlsParams: {
        ...VERSIONS,
        cipherSuites: [...(view.tlsDefaults?.cipherSuites ?? [])],
        ecdhCurves: [...(view.tlsDefaults?.ecdhCurves ?? [])],
      },
      ...(view.http2 ? { alpnProtocols: ['h2'] } : {}),
    },
    ...(tls.sni === undefined || tls.sni === '' ? {} : { sni: tls.sni }),
  });
}

function credentialSecrets(tls: ClientTls, credential: string, names: readonly string[]): Common {
  const name = credential.includes('://') ? credential : `kubernetes://${credential}`;
  return {
    ...(tls.mode === 'MUTUAL' ? { tlsCertificateSdsSecretConfigs: [{ name, sdsConfig: ADS_SECRET_SOURCE }] } : {}),
    ...(tls.insecureSkipVerify === true
      ? {}
      : {
          validationContextType: {
            case: 'combinedValidationContext',
            value: {
              defaultValidationContext: { matchSubjectAltNames: sanMatchers(names) },
              validationContextSdsSecretConfig: { name: `${name}-cacert`, sdsConfig: ADS_SECRET_SOURCE },
            },
          },
        }),
  };
}

/** Files go through the agent, which sees them change. A MUTUAL client without its certificate cannot be made. */
function fileSecrets(tls: ClientTls, names: readonly string[], sdsConfig: UpstreamTls['fileSource']): Common | undefined {
  const { clientCertificate = '', privateKey = '', caCrl = '' } = tls;
  const mutual = tls.mode === 'MUTUAL';
  if (mutual && (clientCertificate === '' || privateKey === '')) return undefined;
  const roots = tls.caCertificates === undefined || tls.caCertificates === '' ? 'system' : tls.caCertificates;
  return {
    ...(mutual ? { tlsCertificateSdsSecretConfigs: [{ name: `file-cert:${clientCertificate}~${privateKey}`, sdsConfig }] } : {}),
    validationContextType:
      tls.insecureSkipVerify === true
        ? { case: 'validationContext', value: {} }
        : {
            case: 'combinedValidationContext',
            value: {
              defaultValidationContext: {
                matchSubjectAltNames: sanMatchers(names),
                ...(caCrl === '' ? {} : { crl: { specifier: { case: 'filename', value: caCrl } } }),
              },
              validationContextSdsSecretConfig: { name: `file-root:${roots}`, sdsConfig },
            },
          },
  };
}
