import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { Logger } from '@xebec/core';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import { type EncodedResource, type ResourceCache, SECRET_TYPE } from '@xebec/xds';
import type { Caller } from '../authenticate.ts';
import type { AuxiliaryType } from '../types/auxiliary-type.ts';
import { AUTHORITY_SUFFIX, type CredentialName, parseCredentialName } from './credential-name.ts';
import type { CredentialData, CredentialStore } from './credential-store.ts';

export interface SecretTypeOptions {
  readonly cache: ResourceCache;
  readonly store: Pick<CredentialStore, 'get' | 'mayRead'>;
  readonly logger: Logger;
  /** Counts what was asked for and cannot be given. */
  readonly onError: () => void;
}

/**
 * SDS for gateways and for `credentialName` of DestinationRules. A proxy gets Secrets of the namespace that its credentials
 * prove, and only when its service account may list them there; CA certificates and ConfigMaps are no secret. A name that
 * cannot be given is left out, so that one wrong reference does not spoil the others.
 */
export function secretType({ cache, store, logger, onError }: SecretTypeOptions): AuxiliaryType {
  return {
    resources(_snapshot, { proxy, caller }, names) {
      const found = new Map<string, EncodedResource>();
      if (caller === undefined) {
        logger.warn({ proxy: proxy.id }, 'SDS: certificates need credentials; connect to the TLS port');
        return found;
      }
      for (const name of names) {
        const credential = parseCredentialName(name, caller.namespace);
        if (credential === undefined || !isAllowed(store, credential, caller)) {
          if (credential === undefined || credential.namespace !== caller.namespace) {
            onError();
            logger.warn({ proxy: proxy.id, name }, `SDS: ${name} is not for namespace ${caller.namespace}`);
          }
          continue;
        }
        const secret = read(store, credential);
        if (secret !== undefined)
          found.set(name, cache.intern(SECRET_TYPE, name, toBinary(SecretSchema, create(SecretSchema, { name, ...secret }))));
      }
      return found;
    },
  };
}

function isAllowed(store: SecretTypeOptions['store'], credential: CredentialName, caller: Caller): boolean {
  if (credential.source === 'configmaps') return true;
  if (credential.namespace !== caller.namespace) return false;
  return credential.authority || store.mayRead(caller) === true;
}

type SecretBody = Pick<MessageInitShape<typeof SecretSchema> & object, 'type'>;

function read(store: SecretTypeOptions['store'], { source, namespace, name, authority }: CredentialName): SecretBody | undefined {
  const data = store.get(source, namespace, name);
  if (!authority) return data === undefined ? undefined : keyPair(data);
  const own = data === undefined ? undefined : validation(data);
  if (own !== undefined || !name.endsWith(AUTHORITY_SUFFIX)) return own;
  // Without a Secret of its own the CA stands beside the certificate.
  const beside = store.get(source, namespace, name.slice(0, -AUTHORITY_SUFFIX.length));
  return beside === undefined ? undefined : validation(beside);
}

/** `tls.crt` and `tls.key`, or `cert` and `key` of a generic Secret. */
function keyPair(data: CredentialData): SecretBody | undefined {
  const chain = filled(data, 'tls.crt') ?? filled(data, 'cert');
  const key = filled(data, 'tls.key') ?? filled(data, 'key');
  if (chain === undefined || key === undefined) return undefined;
  const bytes = (value: Uint8Array) => ({ specifier: { case: 'inlineBytes' as const, value } });
  const staple = filled(data, 'tls.ocsp-staple');
  const value = { certificateChain: bytes(chain), privateKey: bytes(key), ...(staple === undefined ? {} : { ocspStaple: bytes(staple) }) };
  return { type: { case: 'tlsCertificate', value } };
}

/** `ca.crt` or `cacert`, with a revocation list where there is one. */
function validation(data: CredentialData): SecretBody | undefined {
  const ca = filled(data, 'ca.crt') ?? filled(data, 'cacert');
  if (ca === undefined) return undefined;
  const bytes = (value: Uint8Array) => ({ specifier: { case: 'inlineBytes' as const, value } });
  const crl = filled(data, 'ca.crl') ?? filled(data, 'crl');
  return { type: { case: 'validationContext', value: { trustedCa: bytes(ca), ...(crl === undefined ? {} : { crl: bytes(crl) }) } } };
}

function filled(data: CredentialData, key: string): Uint8Array | undefined {
  const value = data.get(key);
  return value === undefined || value.length === 0 ? undefined : value;
}
