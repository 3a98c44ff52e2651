import { statSync } from 'node:fs';
import { createSecureContext, type SecureContext, type SecureVersion } from 'node:tls';
import { errorText, XebecError } from '@xebec/core';
import { compileStringMatcher, matchesSan, type SanKind, type StringPredicate } from '@xebec/matching';
import {
  type CertificateValidationContext,
  SubjectAltNameMatcher_SanType,
  type TlsCertificate,
  type TlsParameters,
  TlsParameters_TlsProtocol,
} from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/common';
import type { Secret } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import type { CommonTlsContext } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/tls';
import type { PeerCertificate } from '@xebec/telemetry';
import { uriSanOf } from './peer-certificate.ts';
import { type FileStamp, readDataSource, type SecretHandle, type SecretStore } from './secret-store.ts';

/** A CommonTlsContext whose secrets may change: the OpenSSL context is made on first use and again after each change. */
export class TlsContext {
  readonly alpn: readonly string[];
  readonly #certificates: readonly (TlsCertificate | SecretHandle)[];
  readonly #validation: CertificateValidationContext | undefined;
  readonly #validationSecret: SecretHandle | undefined;
  readonly #params: TlsParameters | undefined;
  readonly #handles: SecretHandle[] = [];
  readonly #stops: (() => void)[] = [];
  #built: BuiltContext | undefined;
  #ready = false;
  onReady: (() => void) | undefined;

  constructor(common: CommonTlsContext | undefined, secrets: SecretStore, where: string) {
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
  }
  /** All secrets it refers to have arrived. */
  get ready(): boolean {
    return this.#ready;
  }
  /** The context of now; undefined while a secret is missing. Throws XebecError `E_TLS` when OpenSSL refuses the material. */
  current(): BuiltContext | undefined {
    if (this.#built !== undefined && !filesChanged(this.#built.stamps)) return this.#built;
    if (!this.#ready) return undefined;
    this.#built = this.#build();
    return this.#built;
  }
  close(): void {
    for (const stop of this.#stops) stop();
  }
  #track(handle: SecretHandle): SecretHandle {
    this.#handles.push(handle);
    this.#stops.push(handle.onChange(() => this.#changed()));
    return handle;
  }
  #changed(): void {
    this.#built = undefined;
    const before = this.#ready;
    this.#ready = this.#handles.every((handle) => handle.current !== undefined);
    if (this.#ready && !before) this.onReady?.();
  }
  #build(): BuiltContext {
    const stamps: FileStamp[] = [];
    const certs: Buffer[] = [];
    const keys: Buffer[] = [];
    for (const entry of this.#certificates) {
      const certificate = 'onChange' in entry ? certificateOf(entry.current) : entry;
      const chain = readDataSource(certificate?.certificateChain, stamps);
      const key = readDataSource(certificate?.privateKey, stamps);
      if (chain === undefined || key === undefined) continue;
      certs.push(chain);
      keys.push(key);
    }
    const trusted: Buffer[] = [];
    const matchers: SanMatcher[] = [];
    for (const validation of [this.#validation, validationOf(this.#validationSecret?.current)]) {
      if (validation === undefined) continue;
      const ca = readDataSource(validation.trustedCa, stamps);
      if (ca !== undefined) trusted.push(ca);
      matchers.push(...sanMatchers(validation));
    }
    try {
      const secureContext = createSecureContext({
        ...(certs.length > 0 ? { cert: certs, key: keys } : {}),
        ...(trusted.length > 0 ? { ca: trusted } : {}),
        ...tlsVersions(this.#params),
        ...tlsCiphers(this.#params),
      });
      return {
        secureContext,
        verifiesPeer: trusted.length > 0,
        allowsPeer: (peer) => matchers.length === 0 || matchers.some((matcher) => matchesSan(peer, matcher.kind, matcher.matches)),
        localUriSan: certs[0] === undefined ? undefined : uriSanOf(certs[0]),
        stamps,
        checkedAtMs: performance.now(),
      };
    } catch (cause) {
      throw new XebecError('E_TLS', `certificate, key or trusted CA is malformed: ${errorText(cause)}`, { cause });
    }
  }
}

export interface BuiltContext {
  readonly secureContext: SecureContext;
  /** A trusted CA is configured, so a peer's chain is checked. */
  readonly verifiesPeer: boolean;
  /** Whether one of the peer's names satisfies the SAN matchers (no matchers: any does). */
  allowsPeer(peer: PeerCertificate): boolean;
  readonly localUriSan: string | undefined;
  readonly stamps: readonly FileStamp[];
  checkedAtMs: number;
}

interface SanMatcher {
  readonly kind: SanKind;
  readonly matches: StringPredicate;
}

function certificateOf(secret: Secret | undefined): TlsCertificate | undefined {
  return secret?.type.case === 'tlsCertificate' ? secret.type.value : undefined;
}

function validationOf(secret: Secret | undefined): CertificateValidationContext | undefined {
  return secret?.type.case === 'validationContext' ? secret.type.value : undefined;
}

function sanMatchers(validation: CertificateValidationContext): SanMatcher[] {
  const typed = validation.matchTypedSubjectAltNames.flatMap(({ sanType, matcher }): SanMatcher[] => {
    if (matcher === undefined) return [];
    const kind: SanKind =
      sanType === SubjectAltNameMatcher_SanType.URI ? 'uri' : sanType === SubjectAltNameMatcher_SanType.DNS ? 'dns' : 'any';
    return [{ kind, matches: compileStringMatcher(matcher) }];
  });
  return [
    ...typed,
    ...validation.matchSubjectAltNames.map((matcher): SanMatcher => ({ kind: 'any', matches: compileStringMatcher(matcher) })),
  ];
}

const versions: Record<TlsParameters_TlsProtocol, SecureVersion | undefined> = {
  [TlsParameters_TlsProtocol.TLS_AUTO]: undefined,
  [TlsParameters_TlsProtocol.TLSv1_0]: 'TLSv1',
  [TlsParameters_TlsProtocol.TLSv1_1]: 'TLSv1.1',
  [TlsParameters_TlsProtocol.TLSv1_2]: 'TLSv1.2',
  [TlsParameters_TlsProtocol.TLSv1_3]: 'TLSv1.3',
};

function tlsVersions(params: TlsParameters | undefined): { minVersion?: SecureVersion; maxVersion?: SecureVersion } {
  const min = versions[params?.tlsMinimumProtocolVersion ?? 0];
  const max = versions[params?.tlsMaximumProtocolVersion ?? 0];
  return { minVersion: min ?? 'TLSv1.2', maxVersion: max ?? 'TLSv1.3' };
}

const tls13Ciphers = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256';

/** Cipher names are OpenSSL's own; TLS 1.3 suites cannot be configured in Envoy, so all of them stay on. */
function tlsCiphers(params: TlsParameters | undefined): { ciphers?: string; ecdhCurve?: string } {
  const ciphers = params?.cipherSuites ?? [];
  const curves = params?.ecdhCurves ?? [];
  return {
    ...(ciphers.length > 0
      ? { ciphers: `${tls13Ciphers}:${ciphers.flatMap((suite) => suite.replace(/^\[|\]$/g, '').split('|')).join(':')}` }
      : {}),
    ...(curves.length > 0 ? { ecdhCurve: curves.join(':') } : {}),
  };
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
