import { createHash } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { AnySchema } from '@bufbuild/protobuf/wkt';
import { errorText, type Logger } from '@xebec/core';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import type { CertificateManager, WorkloadCertificate } from '../certificate-manager.ts';
import type { TrustSnapshot } from '../trust-store.ts';
import type { FileSecrets } from './file-secrets.ts';
import { parseSecretName } from './secret-name.ts';
import { validationContext } from './validation-context.ts';

export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

/** A secret as it goes out, and what it was made of. */
export interface LoadedSecret {
  readonly name: string;
  /** Of the content: equal for equal secrets. */
  readonly version: string;
  readonly any: MessageInitShape<typeof AnySchema>;
  /** Of `default`. */
  readonly certificate?: WorkloadCertificate;
  /** Of `ROOTCA`. */
  readonly trust?: TrustSnapshot;
}

/** Where the SDS server gets its secrets. */
export interface SecretSource {
  /** Undefined while there is none; failures are logged. */
  load(name: string): Promise<LoadedSecret | undefined>;
  /** Nobody asks for that name any more. */
  forget(name: string): void;
  /** Calls back when secrets may have changed; returns the unsubscriber. */
  subscribe(listener: () => void): () => void;
}

type SecretInit = MessageInitShape<typeof SecretSchema>;

/** `manager` undefined: the workload's identity is somebody else's to serve, this source has files alone. */
export function createSecretSource(options: {
  readonly manager: CertificateManager | undefined;
  readonly files: FileSecrets;
  readonly logger: Logger;
}): SecretSource {
  const { manager, files, logger } = options;
  /** The same for all streams: rotations go out once for each of dozens of subscriptions. */
  const encoded = new WeakMap<object, LoadedSecret>();
  const once = (key: object, make: () => LoadedSecret): LoadedSecret => {
    const known = encoded.get(key);
    if (known !== undefined) return known;
    const made = make();
    encoded.set(key, made);
    return made;
  };
  const load = async (name: string): Promise<LoadedSecret | undefined> => {
    const wanted = parseSecretName(name);
    if (wanted === undefined) return undefined;
    switch (wanted.kind) {
      case 'identity': {
        const certificate = manager?.current();
        if (certificate === undefined) return undefined;
        return once(certificate, () => ({
          ...encode(pair(name, certificate.certificateChainPem, certificate.privateKeyPem)),
          certificate,
        }));
      }
      case 'trust': {
        const trust = manager?.trust.current();
        if (trust === undefined) return undefined;
        return once(trust, () => ({ ...trustSecret(trust), trust }));
      }
      default: {
        const secret = await files.get(wanted);
        if (secret === undefined) return undefined;
        return once(secret, () =>
          encode(
            secret.kind === 'certificate'
              ? pair(name, secret.chainPem, secret.keyPem)
              : { name, type: { case: 'validationContext', value: { trustedCa: inline(secret.rootPem) } } },
          ),
        );
      }
    }
  };
  return {
    load: (name) =>
      load(name).catch((error: unknown) => {
        logger.warn({ resource: name.slice(0, 200) }, `SDS resource cannot be read: ${errorText(error)}`);
        return undefined;
      }),
    forget(name) {
      const wanted = parseSecretName(name);
      if (wanted !== undefined && wanted.kind !== 'identity' && wanted.kind !== 'trust') files.forget(wanted);
    },
    subscribe(listener) {
      const stops = [manager?.subscribe(listener), manager?.trust.subscribe(listener), files.subscribe(listener)];
      return () => {
        for (const stop of stops) stop?.();
      };
    },
  };
}

/** The version of `ROOTCA` as it is made of that trust. */
export function trustVersion(trust: TrustSnapshot): string {
  return trustSecret(trust).version;
}

function trustSecret(trust: TrustSnapshot): LoadedSecret {
  return encode({ name: 'ROOTCA', type: { case: 'validationContext', value: validationContext(trust) } });
}

function inline(text: string) {
  return { specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } };
}

function pair(name: string, chainPem: string, keyPem: string): SecretInit {
  return { name, type: { case: 'tlsCertificate', value: { certificateChain: inline(chainPem), privateKey: inline(keyPem) } } };
}

function encode(secret: SecretInit): LoadedSecret {
  const value = toBinary(SecretSchema, create(SecretSchema, secret));
  const version = createHash('sha256').update(value).digest('hex').slice(0, 16);
  return { name: secret.name ?? '', version, any: { typeUrl: SECRET_TYPE_URL, value } };
}
