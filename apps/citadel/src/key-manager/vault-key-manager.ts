import { createPublicKey, type KeyObject } from 'node:crypto';
import { XebecError } from '@xebec/core';
import { type KeyType, type Signer, signerAlgorithm } from '@xebec/identity';
import type { KeyManager } from './key-manager.ts';
import { checkKeyName } from './memory-key-manager.ts';
import type { VaultClient } from './vault-client.ts';

/** Names that Vault's transit engine has for our kinds of keys. */
const TRANSIT_TYPES: Readonly<Record<KeyType, string>> = {
  'rsa-2048': 'rsa-2048',
  'rsa-4096': 'rsa-4096',
  'ecdsa-p256': 'ecdsa-p256',
  'ecdsa-p384': 'ecdsa-p384',
  ed25519: 'ed25519',
};

/** Keys that never leave Vault: its transit engine makes them and signs with them. `mount` is where the engine is, such as `transit`. */
export function createVaultKeyManager(client: VaultClient, mount: string): KeyManager {
  const signerOf = (name: string, publicKey: KeyObject): Signer => {
    const { identifier, hash } = signerAlgorithm(publicKey);
    return {
      publicKey,
      algorithm: identifier,
      async sign(bytes) {
        const path = `${mount}/sign/${name}${hash === null ? '' : `/${hash === 'sha384' ? 'sha2-384' : 'sha2-256'}`}`;
        const body = { input: Buffer.from(bytes).toString('base64'), key_version: 1, marshaling_algorithm: 'asn1' };
        // X.509 wants PKCS#1 v1.5, where transit would choose PSS.
        const padding = publicKey.asymmetricKeyType === 'rsa' ? { signature_algorithm: 'pkcs1v15' } : {};
        const answer = await client.call('POST', path, { ...body, ...padding });
        const text = answer?.['signature'];
        const match = typeof text === 'string' ? /^vault:v1:([A-Za-z0-9+/=]+)$/.exec(text) : null;
        if (match?.[1] === undefined) throw new XebecError('E_KEY_STORE', `Vault gives no signature for ${path}`);
        return Buffer.from(match[1], 'base64');
      },
    };
  };
  const load = async (name: string): Promise<Signer | undefined> => {
    checkKeyName(name);
    const data = await client.call('GET', `${mount}/keys/${name}`);
    if (data === undefined) return undefined;
    const versions: unknown = data['keys'];
    const first: unknown = typeof versions === 'object' && versions !== null ? Reflect.get(versions, '1') : undefined;
    const text: unknown = typeof first === 'object' && first !== null ? Reflect.get(first, 'public_key') : undefined;
    if (typeof text !== 'string')
      throw new XebecError('E_KEY_STORE', `the key ${name} of Vault has no public part: is its type for signing?`);
    return signerOf(name, publicKeyOf(text));
  };
  return {
    description: `Vault at ${client.address}, ${mount}`,
    async generate(name, type) {
      checkKeyName(name);
      // Transit takes a second creation for the first: who is there must be asked before.
      if ((await load(name)) !== undefined) throw new XebecError('E_KEY_EXISTS', `there is a key ${name} already`);
      await client.call('POST', `${mount}/keys/${name}`, { type: TRANSIT_TYPES[type], exportable: false, allow_plaintext_backup: false });
      const signer = await load(name);
      if (signer === undefined) throw new XebecError('E_KEY_STORE', `the key ${name} that Vault has just made is gone`);
      return signer;
    },
    load,
    async list() {
      // The same as Vault's own method LIST, which proxies and parsers do not know.
      const keys = (await client.call('GET', `${mount}/keys?list=true`))?.['keys'];
      return Array.isArray(keys) ? keys.filter((key) => typeof key === 'string').sort() : [];
    },
    async remove(name) {
      checkKeyName(name);
      if ((await load(name)) === undefined) return;
      // Transit deletes only what was marked for it.
      await client.call('POST', `${mount}/keys/${name}/config`, { deletion_allowed: true });
      await client.call('DELETE', `${mount}/keys/${name}`);
    },
    close: async () => client.close(),
  };
}

/** PEM for RSA and the NIST curves, the 32 bytes in base64 for Ed25519. */
function publicKeyOf(text: string): KeyObject {
  if (text.includes('-----BEGIN')) return createPublicKey(text);
  const raw = Buffer.from(text, 'base64');
  const prefix = Buffer.from('302a300506032b6570032100', 'hex');
  return createPublicKey({ key: Buffer.concat([prefix, raw]), format: 'der', type: 'spki' });
}
