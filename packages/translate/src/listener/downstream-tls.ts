import { TlsParameters_TlsProtocol } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { DownstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { MeshConfig } from '@xebec/schemas';
import { extension } from '../envoy/any.ts';
import { SDS_SOURCE } from '../envoy/config-source.ts';

/** Cipher suites for TLS 1.2; 1.3 has its own. */
const CIPHER_SUITES = [
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-GCM-SHA256',
];

/** How sidecars take the mesh's own TLS. */
export interface MutualTls {
  /** Callers of these domains are let in: the mesh's own, its aliases, and those of further authorities. */
  readonly trustDomains: readonly string[];
  readonly minimum: TlsParameters_TlsProtocol;
  readonly cipherSuites: readonly string[];
}

export function mutualTlsOf(mesh: MeshConfig): MutualTls {
  const domains = [
    mesh.trustDomain ?? 'cluster.local',
    ...(mesh.trustDomainAliases ?? []),
    ...(mesh.caCertificates ?? []).flatMap((authority) => authority.trustDomains ?? []),
  ];
  const strict = mesh.meshMTLS?.minProtocolVersion === 'TLSV1_3';
  return {
    trustDomains: [...new Set(domains)].filter((domain) => domain !== ''),
    minimum: strict ? TlsParameters_TlsProtocol.TLSv1_3 : TlsParameters_TlsProtocol.TLSv1_2,
    cipherSuites: mesh.meshMTLS?.cipherSuites ?? CIPHER_SUITES,
  };
}

/** The mTLS side of a sidecar's inbound chains: its own certificate, and only callers of the mesh's trust domains. */
export function inboundTls({ trustDomains, minimum, cipherSuites }: MutualTls, alpnProtocols: readonly string[]) {
  return extension('envoy.transport_sockets.tls', DownstreamTlsContextSchema, {
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: minimum,
        tlsMaximumProtocolVersion: TlsParameters_TlsProtocol.TLSv1_3,
        cipherSuites: [...cipherSuites],
      },
      tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: SDS_SOURCE }],
      validationContextType: {
        case: 'combinedValidationContext',
        value: {
          defaultValidationContext: {
            matchSubjectAltNames: trustDomains.map((domain) => ({
              matchPattern: { case: 'prefix' as const, value: `spiffe://${domain}/` },
            })),
          },
          validationContextSdsSecretConfig: { name: 'ROOTCA', sdsConfig: SDS_SOURCE },
        },
      },
      alpnProtocols: [...alpnProtocols],
    },
    requireClientCertificate: true,
  });
}
