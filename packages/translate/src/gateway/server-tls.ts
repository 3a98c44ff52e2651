import type {
  CertificateValidationContextSchema,
  TlsParametersSchema,
} from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import {
  CertificateValidationContext_TrustChainVerification,
  TlsParameters_TlsProtocol,
} from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import { type CommonTlsContextSchema, DownstreamTlsContextSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { MeshConfig, ServerTls } from '@xebec/schemas';
import { extension, type Fields } from '../envoy/any.ts';
import { ADS_SECRET_SOURCE, SDS_SOURCE, type sdsFileSource } from '../envoy/config-source.ts';
import type { MutualTls } from '../listener/downstream-tls.ts';
import { withExchange } from '../peer-exchange.ts';

const VERSIONS: Readonly<Record<string, TlsParameters_TlsProtocol>> = {
  TLSV1_0: TlsParameters_TlsProtocol.TLSv1_0,
  TLSV1_1: TlsParameters_TlsProtocol.TLSv1_1,
  TLSV1_2: TlsParameters_TlsProtocol.TLSv1_2,
  TLSV1_3: TlsParameters_TlsProtocol.TLSv1_3,
};

/** Cipher suites that Envoy knows; one it does not would make it refuse the listener. Operators and groups start otherwise. */
const CIPHER_SUITES: ReadonlySet<string> = new Set([
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ALL',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
  'DES-CBC3-SHA',
]);

export interface ServerTlsView {
  readonly mutualTls: MutualTls;
  /** The mesh's `tlsDefaults`, under what the server says itself. */
  readonly tlsDefaults: MeshConfig['tlsDefaults'];
  /** Whether bytes and not HTTP come out of it. */
  readonly tcp: boolean;
  /** The gateway tells peers who it is. */
  readonly exchangesPeers: boolean;
  /** Where files come from. */
  readonly fileSource: ReturnType<typeof sdsFileSource>;
}

type Common = Fields<typeof CommonTlsContextSchema>;
type Secret = NonNullable<Common['tlsCertificateSdsSecretConfigs']>[number];
type Validation = Fields<typeof CertificateValidationContextSchema>;

/**
 * TLS that a user describes for a server: a gateway's, or a Sidecar's `ingress`. Secrets come over ADS by the name
 * `kubernetes://<credential>`, files over the agent by `file-cert:` and `file-root:`, which can change while they are used.
 */
export function serverTls(tls: ServerTls, { tlsDefaults, tcp, exchangesPeers, fileSource }: ServerTlsView) {
  const mesh = tls.mode === 'ISTIO_MUTUAL';
  const required = tls.mode === 'MUTUAL' || mesh;
  const validated = required || tls.mode === 'OPTIONAL_MUTUAL';
  const credentials = credentialNames(tls);
  const common = mesh
    ? meshSecrets(tls)
    : credentials.length > 0
      ? credentialSecrets(tls, credentials, validated)
      : fileSecrets(tls, validated, fileSource);
  const params = tls.mode === 'SIMPLE' || (validated && !mesh) ? parameters(tls, tlsDefaults) : {};
  return extension('envoy.transport_sockets.tls', DownstreamTlsContextSchema, {
    commonTlsContext: {
      ...common,
      ...(Object.keys(params).length === 0 ? {} : { tlsParams: params }),
      alpnProtocols: withExchange(mesh && tcp && exchangesPeers, ['h2', 'http/1.1']),
    },
    requireClientCertificate: required,
  });
}

/** The credentials a server names, so that a control plane can tell which secrets a gateway may have. */
export function credentialNames(tls: ServerTls): string[] {
  if (tls.credentialNames !== undefined && tls.credentialNames.length > 0) return [...tls.credentialNames];
  return tls.credentialName === undefined || tls.credentialName === '' ? [] : [tls.credentialName];
}

function parameters(tls: ServerTls, defaults: MeshConfig['tlsDefaults']): Fields<typeof TlsParametersSchema> {
  const minimum = VERSIONS[tls.minProtocolVersion ?? ''] ?? defaultMinimum(defaults);
  const maximum = VERSIONS[tls.maxProtocolVersion ?? ''];
  const suites = [...new Set(tls.cipherSuites ?? [])].filter((suite) => CIPHER_SUITES.has(suite) || !/^[A-Za-z0-9]/.test(suite));
  const cipherSuites = suites.length > 0 ? suites : [...(defaults?.cipherSuites ?? [])];
  const curves = (tls.ecdhCurves ?? []).length > 0 ? tls.ecdhCurves : defaults?.ecdhCurves;
  return {
    ...(minimum === undefined ? {} : { tlsMinimumProtocolVersion: minimum }),
    ...(maximum === undefined ? {} : { tlsMaximumProtocolVersion: maximum }),
    ...(cipherSuites.length === 0 ? {} : { cipherSuites }),
    ...(curves === undefined || curves.length === 0 ? {} : { ecdhCurves: [...curves] }),
  };
}

function defaultMinimum(defaults: MeshConfig['tlsDefaults']): TlsParameters_TlsProtocol | undefined {
  const given = defaults?.minProtocolVersion;
  if (given === undefined || given === 'TLS_AUTO') return undefined;
  return given === 'TLSV1_3' ? TlsParameters_TlsProtocol.TLSv1_3 : TlsParameters_TlsProtocol.TLSv1_2;
}

/** The workload's own identity. */
function meshSecrets(tls: ServerTls): Common {
  return {
    tlsCertificateSdsSecretConfigs: [{ name: 'default', sdsConfig: SDS_SOURCE }],
    ...combined(fileValidation(tls), { name: 'ROOTCA', sdsConfig: SDS_SOURCE }),
  };
}

function credentialSecrets(tls: ServerTls, credentials: readonly string[], validated: boolean): Common {
  const authority = tls.caCertCredentialName ?? '';
  const trusted = authority === '' ? `${credentials[0] ?? ''}-cacert` : authority;
  return {
    tlsCertificateSdsSecretConfigs: credentials.map(credentialSecret),
    ...(validated
      ? combined({ ...sans(tls), ...pins(tls), ...trust(tls) }, credentialSecret(trusted))
      : (tls.subjectAltNames ?? []).length === 0
        ? {}
        : { validationContextType: { case: 'validationContext' as const, value: sans(tls) } }),
  };
}

/** `builtin://` is the workload's own identity; anything else is a secret, by default of the gateway's namespace. */
function credentialSecret(name: string): Secret {
  if (name === 'builtin://') return { name: 'default', sdsConfig: SDS_SOURCE };
  if (name === 'builtin://-cacert') return { name: 'ROOTCA', sdsConfig: SDS_SOURCE };
  const plain = name.startsWith('sds://') ? name.slice('sds://'.length) : name;
  return { name: plain.includes('://') ? plain : `kubernetes://${plain}`, sdsConfig: ADS_SECRET_SOURCE };
}

function fileSecrets(tls: ServerTls, validated: boolean, source: ServerTlsView['fileSource']): Common {
  const fileSecret = (name: string | undefined, fallback: string): Secret =>
    name === undefined ? { name: fallback, sdsConfig: SDS_SOURCE } : { name, sdsConfig: source };
  const listed = (tls.tlsCertificates ?? []).length > 0 ? (tls.tlsCertificates ?? []) : [tls];
  return {
    tlsCertificateSdsSecretConfigs: listed.map(({ serverCertificate, privateKey }) =>
      fileSecret(both(serverCertificate, privateKey) ? `file-cert:${serverCertificate}~${privateKey}` : undefined, 'default'),
    ),
    ...(validated
      ? combined(fileValidation(tls), fileSecret(named(tls.caCertificates) ? `file-root:${tls.caCertificates}` : undefined, 'ROOTCA'))
      : {}),
  };
}

function named(text: string | undefined): boolean {
  return text !== undefined && text !== '';
}

function both(a: string | undefined, b: string | undefined): boolean {
  return named(a) && named(b);
}

function combined(defaultValidationContext: Validation, secret: Secret): Common {
  return {
    validationContextType: {
      case: 'combinedValidationContext',
      value: { defaultValidationContext, validationContextSdsSecretConfig: secret },
    },
  };
}

function fileValidation(tls: ServerTls): Validation {
  return {
    ...sans(tls),
    ...(named(tls.caCrl) ? { crl: { specifier: { case: 'filename' as const, value: tls.caCrl ?? '' } } } : {}),
    ...trust(tls),
  };
}

function sans(tls: ServerTls): Validation {
  return { matchSubjectAltNames: (tls.subjectAltNames ?? []).map((exact) => ({ matchPattern: { case: 'exact' as const, value: exact } })) };
}

function pins(tls: ServerTls): Validation {
  return {
    verifyCertificateSpki: [...(tls.verifyCertificateSpki ?? [])],
    verifyCertificateHash: [...(tls.verifyCertificateHash ?? [])],
  };
}

function trust(tls: ServerTls): Validation {
  return tls.insecureSkipVerify === true
    ? { trustChainVerification: CertificateValidationContext_TrustChainVerification.ACCEPT_UNTRUSTED }
    : {};
}
