import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { errorText, XebecError } from '@xebec/core';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import type { ConfigSource } from '@xebec/protos/envoy/config/core/v3/config_source';
import { type Secret, SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import type { StatsScope } from '@xebec/telemetry';
import type { Subscribe } from '../xds-client/subscribe.ts';

export const secretTypeUrl = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** A secret that may change: its current value and who wants to hear of a new one. */
export class SecretHandle {
  readonly name: string;
  readonly #listeners = new Set<() => void>();
  current: Secret | undefined;
  /** It did not come within `initial_fetch_timeout`: nobody waits for it any longer. */
  overdue = false;
  lastUpdatedMs = 0;
  version = '';

  constructor(name: string, current?: Secret) {
    this.name = name;
    this.current = current;
  }
  /** Calls `listener` after each change; the returned function ends that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
  set(secret: Secret | undefined, version: string, nowMs: number): void {
    this.current = secret;
    this.version = version;
    this.lastUpdatedMs = nowMs;
    this.#tell();
  }
  giveUp(): void {
    this.overdue = true;
    this.#tell();
  }
  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Certificates in PEM and where they come from. */
export interface CertificateSource {
  /** A file's path, or `<inline>`. */
  readonly path: string;
  readonly pem: Buffer;
  /** What statistics call it. */
  readonly name: string;
}

/** What a TLS context is made of, for those that look: no keys. */
export interface TlsMaterial {
  readonly chains: readonly CertificateSource[];
  readonly trusted: readonly CertificateSource[];
}

/** A TLS context that is in use. */
export interface TlsUser {
  readonly material: TlsMaterial;
  /** Where the expiry of its certificates is told. */
  readonly scope: StatsScope | undefined;
}

/** Every secret of the process: static ones of the bootstrap and those that SDS sources bring. One subscription per name and source. */
export class SecretStore {
  readonly #static = new Map<string, SecretHandle>();
  readonly #dynamic = new Map<string, SecretHandle>();
  /** Contexts that are made of these secrets, or of none. */
  readonly contexts = new Set<TlsUser>();
  readonly #stops: (() => void)[] = [];
  readonly #subscribe: Subscribe;
  readonly #now: () => number;

  constructor(subscribe: Subscribe, now: () => number) {
    this.#subscribe = subscribe;
    this.#now = now;
  }
  addStatic(secret: Secret): void {
    this.#static.set(secret.name, new SecretHandle(secret.name, secret));
  }
  get staticSecrets(): Iterable<SecretHandle> {
    return this.#static.values();
  }
  get dynamicSecrets(): Iterable<SecretHandle> {
    return this.#dynamic.values();
  }
  /** The secret of an SDS reference; without a config source it must be static. */
  handle(name: string, source: ConfigSource | undefined): SecretHandle {
    if (source === undefined) {
      const known = this.#static.get(name);
      if (known === undefined)
        throw new XebecError('E_CONFIG', `static secret "${name}" does not exist; add it to static_resources.secrets`);
      return known;
    }
    const key = `${sourceKey(source)}|${name}`;
    const existing = this.#dynamic.get(key);
    if (existing !== undefined) return existing;
    const handle = new SecretHandle(name);
    this.#dynamic.set(key, handle);
    this.#stops.push(
      this.#subscribe(source, secretTypeUrl, name, {
        statPrefix: `sds.${name}`,
        onResource: (any, version) => this.#apply(handle, any, version),
        onRemoved: () => undefined,
        onTimeout: () => handle.giveUp(),
      }),
    );
    return handle;
  }
  close(): void {
    for (const stop of this.#stops) stop();
  }
  #apply(handle: SecretHandle, any: Any, version: string): string | undefined {
    try {
      const secret = fromBinary(SecretSchema, any.value);
      checkSecret(secret);
      handle.set(secret, version, this.#now());
      return undefined;
    } catch (error) {
      return `secret "${handle.name}": ${errorText(error)}`;
    }
  }
}

/** What no context could be made of is refused when it comes, and not at the next handshake. Throws what OpenSSL says. */
function checkSecret({ type }: Secret): void {
  if (type.case === 'tlsCertificate') {
    const { certificateChain, privateKey, password } = type.value;
    const [cert, key] = [readDataSource(certificateChain), readDataSource(privateKey)];
    if (cert === undefined || key === undefined) return;
    const passphrase = readDataSource(password)?.toString();
    createSecureContext({ cert, key, ...(passphrase === undefined ? {} : { passphrase }) });
  } else if (type.case === 'validationContext') {
    const ca = readDataSource(type.value.trustedCa);
    if (ca !== undefined) new X509Certificate(ca);
  }
}

function sourceKey(source: ConfigSource): string {
  const specifier = source.configSourceSpecifier;
  switch (specifier.case) {
    case 'ads':
      return 'ads';
    case 'apiConfigSource':
      return `api:${specifier.value.apiType}:${specifier.value.grpcServices
        .map((service) => (service.targetSpecifier.case === 'envoyGrpc' ? service.targetSpecifier.value.clusterName : ''))
        .join(',')}`;
    case 'pathConfigSource':
      return `path:${specifier.value.path}`;
    default:
      return specifier.case ?? '';
  }
}

/** A file as it was read, so that a rotated one is noticed. */
export interface FileStamp {
  readonly path: string;
  readonly mtimeMs: number;
}

/** Reads a DataSource; files are read now. Throws XebecError `E_CONFIG` naming the file. */
export function readDataSource(source: DataSource | undefined, stamps?: FileStamp[]): Buffer | undefined {
  const specifier = source?.specifier;
  switch (specifier?.case) {
    case 'inlineBytes':
      return Buffer.from(specifier.value);
    case 'inlineString':
      return Buffer.from(specifier.value);
    case 'environmentVariable': {
      const value = process.env[specifier.value];
      if (value === undefined) throw new XebecError('E_CONFIG', `environment variable ${specifier.value} is not set`);
      return Buffer.from(value);
    }
    case 'filename':
      try {
        stamps?.push({ path: specifier.value, mtimeMs: statSync(specifier.value).mtimeMs });
        return readFileSync(specifier.value);
      } catch (cause) {
        throw new XebecError('E_CONFIG', `cannot read ${specifier.value}: ${errorText(cause)}`, { cause });
      }
    default:
      return undefined;
  }
}
