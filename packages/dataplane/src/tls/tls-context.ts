import { constants, createHash, X509Certificate } from 'node:crypto';
import { statSync } from 'node:fs';
import { createSecureContext, type KeyObject, type SecureContext, type SecureContextOptions, type SecureVersion } from 'node:tls';
import { errorText, XebecError } from '@xebec/core';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import {
  type CertificateValidationContext,
  type TlsCertificate,
  type TlsParameters,
  TlsParameters_TlsProtocol,
} from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import type { Secret } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import type { CommonTlsContext } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { PeerCertificate, StatsScope } from '@xebec/telemetry';
import { clientContext, systemRoots } from './client-contexts.ts';
import { compileLeafRevocation } from './leaf-revocation.ts';
import { certificateInPem } from './peer-certificate.ts';
import { certificatesOf, compileVerification, type PeerVerification } from './peer-verification.ts';
import {
  type CertificateSource,
  type FileStamp,
  readDataSource,
  type SecretHandle,
  type SecretStore,
  type TlsMaterial,
  type TlsUser,
} from './secret-store.ts';
import { compileSpiffeValidator } from './spiffe-validator.ts';
import { matchesDnsName, serverNames } from './subject-names.ts';

/** A CommonTlsContext whose secrets may change: the OpenSSL context is made on first use and again after each change. */
export class TlsContext implements TlsUser {
  readonly alpn: readonly string[];
  readonly #certificates: readonly (TlsCertificate | SecretHandle)[];
  readonly #validation: CertificateValidationContext | undefined;
  readonly #validationSecret: SecretHandle | undefined;
  readonly #params: TlsParameters | undefined;
  readonly #handles: SecretHandle[] = [];
  readonly #stops: (() => void)[] = [];
  readonly #role: 'client' | 'server';
  readonly #where: string;
  readonly #session: SessionOptions;
  #built: BuiltContext | undefined;
  #ready = false;
  #settled = false;
  onReady: (() => void) | undefined;
  /** Where the expiry of its certificates is told. */
  scope: StatsScope | undefined;
  readonly #users: Set<TlsUser>;

  constructor(
    common: CommonTlsContext | undefined,
    secrets: SecretStore,
    where: string,
    role: 'client' | 'server' = 'client',
    session: SessionOptions = {},
  ) {
    this.#users = secrets.contexts;
    this.#role = role;
    this.#where = where;
    this.#session = session;
    this.alpn = common?.alpnProtocols ?? [];
    this.#params = common?.tlsParams;
    const references = common?.tlsCertificateSdsSecretConfigs ?? [];
    this.#certificates = [
      ...(common?.tlsCertificates ?? []),
      ...references.map((reference) => this.#track(secrets.handle(reference.name, reference.sdsConfig))),
    ];
    const kind = common?.validationContextType;
    switch (kind?.case) {
      case 'validationContext':
        this.#validation = kind.value;
        break;
      case 'validationContextSdsSecretConfig':
        this.#validationSecret = this.#track(secrets.handle(kind.value.name, kind.value.sdsConfig));
        break;
      case 'combinedValidationContext': {
        this.#validation = kind.value.defaultValidationContext;
        const reference = kind.value.validationContextSdsSecretConfig;
        if (reference !== undefined) this.#validationSecret = this.#track(secrets.handle(reference.name, reference.sdsConfig));
        break;
      }
      case undefined:
        break;
      default:
        throw new XebecError('E_CONFIG', `${where}: ${kind?.case} is not supported; use validation_context or SDS`);
    }
    this.#changed();
    if (this.#handles.length === 0) this.current();
    this.#users.add(this);
  }
  /** All secrets it refers to have arrived. */
  get ready(): boolean {
    return this.#ready;
  }
  /** All secrets have arrived or are not waited for any longer. */
  get settled(): boolean {
    return this.#settled;
  }
  /** The context of now; undefined while a secret is missing. Throws XebecError `E_TLS` when OpenSSL refuses the material. */
  current(): BuiltContext | undefined {
    if (this.#built !== undefined && !filesChanged(this.#built.stamps)) return this.#built;
    if (!this.#ready) return undefined;
    this.#built = this.#build();
    return this.#built;
  }
  close(): void {
    this.#users.delete(this);
    for (const stop of this.#stops) stop();
  }
  get material(): TlsMaterial {
    const chains = this.#certificates.flatMap((entry) => {
      const name = 'onChange' in entry ? entry.name : unnamed('cert');
      const certificate = 'onChange' in entry ? certificateOf(entry.current) : entry;
      return sourceOf(certificate?.certificateChain, name);
    });
    const secret = this.#validationSecret;
    const trusted = [
      ...sourceOf(this.#validation?.trustedCa, unnamed('ca_cert')),
      ...sourceOf(validationOf(secret?.current)?.trustedCa, secret?.name ?? ''),
    ];
    return { chains, trusted };
  }
  #track(handle: SecretHandle): SecretHandle {
    this.#handles.push(handle);
    this.#stops.push(handle.onChange(() => this.#changed()));
    return handle;
  }
  #changed(): void {
    this.#built = undefined;
    const before = this.#settled;
    this.#ready = this.#handles.every((handle) => handle.current !== undefined);
    this.#settled = this.#handles.every((handle) => handle.current !== undefined || handle.overdue);
    if (this.#settled && !before) this.onReady?.();
  }
  #build(): BuiltContext {
    const stamps: FileStamp[] = [];
    const pairs: CertificatePair[] = [];
    for (const entry of this.#certificates) {
      const certificate = 'onChange' in entry ? certificateOf(entry.current) : entry;
      const pair = certificate === undefined ? undefined : readPair(certificate, stamps);
      if (pair !== undefined) pairs.push(pair);
    }
    const validations = [this.#validation, validationOf(this.#validationSecret?.current)].flatMap((each) => each ?? []);
    const trusted = validations.flatMap((each) => readDataSource(each.trustedCa, stamps) ?? []);
    if (trusted.length === 0 && validations.some((each) => each.systemRootCerts !== undefined)) trusted.push(systemRoots());
    const spiffe = compileSpiffeValidator(validations, stamps);
    if (spiffe !== undefined) trusted.splice(0, trusted.length, ...spiffe.trusted);
    // OpenSSL would want a list of every domain's authorities as soon as there is one.
    const lists = validations.flatMap((each) => readDataSource(each.crl, stamps) ?? []);
    const revoked = spiffe === undefined ? lists : [];
    // Which root is whose counts as much as the roots.
    const domains = validations.flatMap((each) => each.customValidatorConfig?.typedConfig?.value ?? []).map((bytes) => Buffer.from(bytes));
    // Node has OpenSSL look at every certificate of a chain, or at none.
    const leafOnly = validations.some((each) => each.onlyVerifyLeafCertCrl);
    const revocation = leafOnly && revoked.length > 0 ? compileLeafRevocation(revoked, trusted.flatMap(certificatesOf)) : undefined;
    const verification = compileVerification({ validations, trusted, spiffe, revocation });
    const create = (chosen: readonly CertificatePair[]): SecureContext => {
      try {
        const make = this.#role === 'client' ? clientContext : createSecureContext;
        return make({
          ...(chosen.length > 0 ? { cert: chosen.map(({ chain }) => chain), key: chosen.map(keyOf) } : {}),
          ...(trusted.length > 0 ? { ca: trusted } : {}),
          ...(revoked.length > 0 && !leafOnly ? { crl: revoked } : {}),
          ...tlsVersions(this.#params, this.#role),
          ...tlsCiphers(this.#params),
          ...(this.#role === 'server' ? this.#serverOptions([...trusted, ...lists, ...domains]) : {}),
        });
      } catch (cause) {
        throw new XebecError('E_TLS', `certificate, key or trusted CA is malformed: ${errorText(cause)}`, { cause });
      }
    };
    const first = pairs[0];
    return {
      secureContext: create(pairs.length > 1 ? differentKinds(pairs) : pairs),
      contextFor: pairs.length > 1 ? namedContexts(pairs, create) : undefined,
      verification,
      localCertificate: first === undefined ? undefined : certificateInPem(first.chain),
      stamps,
      checkedAtMs: performance.now(),
      sessions: new Map(),
    };
  }
  /** Sessions belong to what they were verified against; tickets of one chain are no use to another. */
  #serverOptions(judgedBy: readonly Buffer[]): SecureContextOptions {
    const { ticketKeys, stateless = true, timeoutS } = this.#session;
    const context = createHash('sha256').update(this.#where);
    // A peer that has been revoked since must not resume what it had.
    for (const pem of judgedBy) context.update(pem);
    const keys = ticketKeys?.();
    return {
      sessionIdContext: context.digest('hex').slice(0, 32),
      honorCipherOrder: !(this.#session.clientOrder ?? false),
      ...(stateless ? {} : { secureOptions: constants.SSL_OP_NO_TICKET }),
      ...(timeoutS === undefined ? {} : { sessionTimeout: timeoutS }),
      ...(keys === undefined ? {} : { ticketKeys: keys }),
    };
  }
}

/** Envoy's name of a certificate that is no secret: with the checksum of an empty text. */
const unnamed = (kind: string): string => `unnamed_${kind}_e3b0c442`;

/** What a source holds now; nothing where it is away, which its context has said. */
function sourceOf(source: DataSource | undefined, name: string): CertificateSource[] {
  try {
    const pem = readDataSource(source);
    if (pem === undefined) return [];
    return [{ path: source?.specifier.case === 'filename' ? source.specifier.value : '<inline>', pem, name }];
  } catch {
    return [];
  }
}

/** One certificate with its key, in PEM. */
interface CertificatePair {
  readonly chain: Buffer;
  readonly key: Buffer;
  readonly passphrase: string | undefined;
}

export interface BuiltContext {
  readonly secureContext: SecureContext;
  /** The context for a server name, where there are several certificates. */
  readonly contextFor: ((serverName: string) => SecureContext) | undefined;
  readonly verification: PeerVerification;
  readonly localCertificate: PeerCertificate | undefined;
  readonly stamps: readonly FileStamp[];
  checkedAtMs: number;
  /** As a client: the last session with each peer. */
  readonly sessions: Map<string, Buffer>;
}

/** How a server resumes sessions. */
export interface SessionOptions {
  /** 48 bytes for OpenSSL, from the configured keys; asked for at each build. */
  readonly ticketKeys?: (() => Buffer | undefined) | undefined;
  readonly stateless?: boolean;
  readonly timeoutS?: number | undefined;
  /** The client's order of ciphers counts. */
  readonly clientOrder?: boolean;
}

function readPair(certificate: TlsCertificate, stamps: FileStamp[]): CertificatePair | undefined {
  const chain = readDataSource(certificate.certificateChain, stamps);
  const key = readDataSource(certificate.privateKey, stamps);
  if (chain === undefined || key === undefined) return undefined;
  return { chain, key, passphrase: readDataSource(certificate.password, stamps)?.toString() };
}

function keyOf({ key, passphrase }: CertificatePair): Buffer | KeyObject {
  return passphrase === undefined ? key : { pem: key, passphrase };
}

/** The first certificate of each kind of key: OpenSSL chooses among them by what the peer can do. */
function differentKinds(pairs: readonly CertificatePair[]): CertificatePair[] {
  const kinds = new Map<string, CertificatePair>();
  for (const pair of pairs) {
    const kind = new X509Certificate(pair.chain).publicKey.asymmetricKeyType ?? '';
    if (!kinds.has(kind)) kinds.set(kind, pair);
  }
  return [...kinds.values()];
}

/** By exact name first, then by wildcard, then whatever comes first. */
function namedContexts(
  pairs: readonly CertificatePair[],
  create: (pairs: readonly CertificatePair[]) => SecureContext,
): (serverName: string) => SecureContext {
  const named = pairs.map((pair) => ({ pair, names: serverNames(new X509Certificate(pair.chain)) }));
  const made = new Map<string, SecureContext>();
  return (serverName) => {
    const exact = named.filter(({ names }) => names.some((name) => name.toLowerCase() === serverName.toLowerCase()));
    const found = exact.length > 0 ? exact : named.filter(({ names }) => names.some((name) => matchesDnsName(serverName, name)));
    const chosen = differentKinds(found.length > 0 ? found.map(({ pair }) => pair) : pairs);
    const key = chosen.map((pair) => pairs.indexOf(pair)).join();
    const context = made.get(key) ?? create(chosen);
    made.set(key, context);
    return context;
  };
}

function certificateOf(secret: Secret | undefined): TlsCertificate | undefined {
  return secret?.type.case === 'tlsCertificate' ? secret.type.value : undefined;
}

function validationOf(secret: Secret | undefined): CertificateValidationContext | undefined {
  return secret?.type.case === 'validationContext' ? secret.type.value : undefined;
}

const versions: Record<TlsParameters_TlsProtocol, SecureVersion | undefined> = {
  [TlsParameters_TlsProtocol.TLS_AUTO]: undefined,
  [TlsParameters_TlsProtocol.TLSv1_0]: 'TLSv1',
  [TlsParameters_TlsProtocol.TLSv1_1]: 'TLSv1.1',
  [TlsParameters_TlsProtocol.TLSv1_2]: 'TLSv1.2',
  [TlsParameters_TlsProtocol.TLSv1_3]: 'TLSv1.3',
};

/** Envoy's clients stop at TLS 1.2 unless told otherwise. */
function tlsVersions(
  params: TlsParameters | undefined,
  role: 'client' | 'server',
): { minVersion: SecureVersion; maxVersion: SecureVersion } {
  const min = versions[params?.tlsMinimumProtocolVersion ?? 0] ?? 'TLSv1.2';
  const max = versions[params?.tlsMaximumProtocolVersion ?? 0] ?? (role === 'client' ? 'TLSv1.2' : 'TLSv1.3');
  return { minVersion: min, maxVersion: max };
}

const tls13Ciphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

/** Envoy's defaults (tls.proto, TlsParameters): hybrid post-quantum groups would cost a millisecond a handshake. */
const defaultCurves = 'X25519:P-256';
const defaultCiphers = [
  ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
];

/** Cipher names are OpenSSL's own; TLS 1.3 suites cannot be configured in Envoy, so all of them stay on. */
function tlsCiphers(params: TlsParameters | undefined): { ciphers: string; ecdhCurve: string; sigalgs?: string } {
  const suites = params?.cipherSuites ?? [];
  const ciphers = suites.length > 0 ? suites.flatMap((suite) => suite.replace(/^\[|\]$/g, '').split('|')) : defaultCiphers;
  const curves = params?.ecdhCurves ?? [];
  const algorithms = params?.signatureAlgorithms ?? [];
  return {
    // OpenSSL does TLS 1.0 and 1.1 at its lowest security level alone.
    ciphers: `${tls13Ciphers}:${ciphers.join(':')}${isBelowTls12(params) ? ':@SECLEVEL=0' : ''}`,
    ecdhCurve: curves.length > 0 ? curves.join(':') : defaultCurves,
    ...(algorithms.length > 0 ? { sigalgs: algorithms.join(':') } : {}),
  };
}

function isBelowTls12(params: TlsParameters | undefined): boolean {
  const { TLSv1_0, TLSv1_1 } = TlsParameters_TlsProtocol;
  return params?.tlsMinimumProtocolVersion === TLSv1_0 || params?.tlsMinimumProtocolVersion === TLSv1_1;
}

function filesChanged(stamps: readonly FileStamp[]): boolean {
  if (stamps.length === 0) return false;
  return stamps.some(({ path, mtimeMs }) => {
    try {
      return statSync(path).mtimeMs !== mtimeMs;
    } catch {
      return false;
    }
  });
}
