import { isHttp2, type Protocol } from '@xebec/model';
import type { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { RawBufferSchema } from '@xebec/protos/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer';
import { TlsParameters_TlsProtocol } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { UpstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { ClientTls } from '@xebec/schemas';
import { extension, type Fields } from '../envoy/any.ts';
import { ADS_SOURCE, SDS_SOURCE } from '../envoy/config-source.ts';

type ClusterInit = Fields<typeof ClusterSchema>;

const TLS = 'envoy.transport_sockets.tls';
/** What mTLS inside the mesh offers: the peer's filter chains tell by it that the caller is a sidecar. */
const MESH_ALPN = ['istio-peer-exchange', 'istio'];

export interface UpstreamTls {
  readonly protocol: Protocol;
  readonly hostname: string;
  /** Server name of mesh mTLS. */
  readonly meshServerName: string;
  /** Identities that endpoints may prove; empty: any of the trust bundle. */
  readonly identities: readonly string[];
  readonly trustDomain: string;
  /** Endpoints differ in what they speak: the endpoint's metadata decides. */
  readonly automatic: boolean;
  readonly meshExternal: boolean;
}

/** Transport socket, or sockets by endpoint, of a cluster. */
export function upstreamTlsFields(tls: ClientTls | undefined, view: UpstreamTls): ClusterInit {
  if (tls === undefined) {
    if (!view.automatic || view.meshExternal) return {};
    return {
      transportSocketMatches: [
        { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: meshTls(view, {}) },
        { name: 'tlsMode-disabled', match: {}, transportSocket: extension('envoy.transport_sockets.raw_buffer', RawBufferSchema) },
      ],
    };
  }
  if (tls.mode === 'ISTIO_MUTUAL') return { transportSocket: meshTls(view, tls) };
  if (tls.mode === 'SIMPLE' || tls.mode === 'MUTUAL') return { transportSocket: ownTls(tls, view) };
  return {};
}

function alpn(protocol: Protocol): string[] {
  return isHttp2(protocol) ? [...MESH_ALPN, 'h2'] : [...MESH_ALPN];
}

function sanMatchers(names: readonly string[]) {
  return names.map((exact) => ({ matchPattern: { case: 'exact' as const, value: exact } }));
}

function meshTls(view: UpstreamTls, tls: ClientTls) {
  const names = tls.subjectAltNames !== undefined && tls.subjectAltNames.length > 0 ? tls.subjectAltNames : view.identities;
  const matchers =
    names.length > 0 ? sanMatchers(names) : [{ matchPattern: { case: 'prefix' as const, value: `spiffe://${view.trustDomain}/` } }];
  return extension(TLS, UpstreamTlsContextSchema, {
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
        tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
      },
      tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: SDS_SOURCE }],
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: { matchSubjectAltNames: matchers },
          validationContextSdsSecretConfig: { name: 'ROOTCA', sdsConfig: SDS_SOURCE },
        },
      },
      alpnProtocols: alpn(view.protocol),
    },
    sni: tls.sni === undefined || tls.sni === '' ? view.meshServerName : tls.sni,
  });
}

/** TLS that the user spelled out: certificates by Secret (`credentialName`), by file, or the system's roots. */
function ownTls(tls: ClientTls, view: UpstreamTls) {
  const matchSubjectAltNames = sanMatchers(tls.subjectAltNames ?? []);
  const credential = tls.credentialName !== undefined && tls.credentialName !== '' ? `kubernetes://${tls.credentialName}` : undefined;
  const caSecret = credential === undefined ? undefined : `${credential}-cacert`;
  const mutual = tls.mode === 'MUTUAL';
  const verify = tls.insecureSkipVerify !== true;
  const caFile = tls.caCertificates === undefined || tls.caCertificates === '' ? undefined : tls.caCertificates;
  return extension(TLS, UpstreamTlsContextSchema, {
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_2,
        tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
      },
      ...(mutual && credential !== undefined ? { tlsCertificateSdsSecretConfigs: [{ name: credential, sdsConfig: ADS_SOURCE }] } : {}),
      ...(mutual && credential === undefined
        ? {
            tlsCertificates: [
              {
                certificateChain: { specifier: { case: 'filename', value: tls.clientCertificate ?? '' } },
                privateKey: { specifier: { case: 'filename', value: tls.privateKey ?? '' } },
              },
            ],
          }
        : {}),
      ...(verify
        ? caSecret !== undefined
          ? {
              validationContextType: {
                case: 'combinedValidationContext',
                value: {
                  defaultValidationContext: { matchSubjectAltNames },
                  validationContextSdsSecretConfig: { name: caSecret, sdsConfig: ADS_SOURCE },
                },
              },
            }
          : {
              validationContextType: {
                case: 'validationContext',
                value: {
                  matchSubjectAltNames,
                  ...(caFile === undefined ? { systemRootCerts: {} } : { trustedCa: { specifier: { case: 'filename', value: caFile } } }),
                },
              },
            }
        : {}),
      ...(isHttp2(view.protocol) ? { alpnProtocols: ['h2'] } : {}),
    },
    ...(tls.sni !== undefined && tls.sni !== '' ? { sni: tls.sni } : view.hostname.startsWith('*') ? {} : { sni: view.hostname }),
  });
}
