import { TlsParameters_TlsProtocol } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { DownstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { ServerTls } from '@xebec/schemas';
import { extension } from '../envoy/any.ts';
import { ADS_SOURCE } from '../envoy/config-source.ts';
import { inboundTls } from '../listener/downstream-tls.ts';

const VERSIONS: Readonly<Record<string, TlsParameters_TlsProtocol>> = {
  TLSV1_0: TlsParameters_TlsProtocol.TLSv1_0,
  TLSV1_1: TlsParameters_TlsProtocol.TLSv1_1,
  TLSV1_2: TlsParameters_TlsProtocol.TLSv1_2,
  TLSV1_3: TlsParameters_TlsProtocol.TLSv1_3,
};

/** The TLS side of a gateway server. Secrets come over ADS by the name `kubernetes://<credential>`. */
export function serverTls(tls: ServerTls, trustDomains: readonly string[], http: boolean) {
  if (tls.mode === 'ISTIO_MUTUAL') return inboundTls(trustDomains, http ? ['h2', 'http/1.1'] : ['istio-peer-exchange', 'h2', 'http/1.1']);
  const credentials = credentialNames(tls);
  const mutual = tls.mode === 'MUTUAL' || tls.mode === 'OPTIONAL_MUTUAL';
  const min = VERSIONS[tls.minProtocolVersion ?? ''] ?? TlsParameters_TlsProtocol.TLSv1_2;
  const max = VERSIONS[tls.maxProtocolVersion ?? ''];
  return extension('envoy.transport_sockets.tls', DownstreamTlsContextSchema, {
    commonTlsContext: {
      tlsParams: {
        tlsMinimumProtocolVersion: min,
        ...(max === undefined ? {} : { tlsMaximumProtocolVersion: max }),
        cipherSuites: [...(tls.cipherSuites ?? [])],
        ecdhCurves: [...(tls.ecdhCurves ?? [])],
      },
      ...(credentials.length > 0
        ? { tlsCertificateSdsSecretConfigs: credentials.map((name) => ({ name: `kubernetes://${name}`, sdsConfig: ADS_SOURCE })) }
        : { tlsCertificates: fileCertificates(tls) }),
      ...(mutual ? { validationContextType: validation(tls, credentials[0]) } : {}),
      alpnProtocols: http ? ['h2', 'http/1.1'] : [],
    },
    requireClientCertificate: tls.mode === 'MUTUAL',
  });
}

/** The SDS names a server asks for, so that a control plane can tell which secrets a gateway may have. */
export function credentialNames(tls: ServerTls): string[] {
  if (tls.credentialName !== undefined && tls.credentialName !== '') return [tls.credentialName];
  return [...(tls.credentialNames ?? [])];
}

function fileCertificates(tls: ServerTls) {
  const listed = tls.tlsCertificates ?? [{ serverCertificate: tls.serverCertificate, privateKey: tls.privateKey }];
  return listed.map((pair) => ({
    certificateChain: { specifier: { case: 'filename' as const, value: pair.serverCertificate ?? '' } },
    privateKey: { specifier: { case: 'filename' as const, value: pair.privateKey ?? '' } },
  }));
}

function validation(tls: ServerTls, credential: string | undefined) {
  const matchSubjectAltNames = (tls.subjectAltNames ?? []).map((exact) => ({
    matchPattern: { case: 'exact' as const, value: exact },
  }));
  const context = {
    matchSubjectAltNames,
    verifyCertificateSpki: [...(tls.verifyCertificateSpki ?? [])],
    verifyCertificateHash: [...(tls.verifyCertificateHash ?? [])],
  };
  const authority = tls.caCertCredentialName ?? (credential === undefined ? undefined : `${credential}-cacert`);
  if (authority !== undefined)
    return {
      case: 'combinedValidationContext' as const,
      value: {
        defaultValidationContext: context,
        validationContextSdsSecretConfig: { name: `kubernetes://${authority}`, sdsConfig: ADS_SOURCE },
      },
    };
  return {
    case: 'validationContext' as const,
    value: {
      ...context,
      ...(tls.caCertificates === undefined ? {} : { trustedCa: { specifier: { case: 'filename' as const, value: tls.caCertificates } } }),
    },
  };
}
