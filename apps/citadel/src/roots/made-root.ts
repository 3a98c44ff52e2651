import { randomBytes } from 'node:crypto';
import type { Clock } from '@xebec/core';
import { certificatePem, createRootBy, type KeyType, unwrap } from '@xebec/identity';
import type { AuthorityPem } from '../authority-store.ts';
import type { KeyManager } from '../key-manager/key-manager.ts';

/** A CA whose private key is in the PEM, or elsewhere under a name (then the PEM has an empty one). */
export interface MadeRoot extends AuthorityPem {
  readonly keyName?: string;
}

/** A new self-signed root whose key a key manager makes and keeps. */
export async function makeManagedRoot(
  keys: KeyManager,
  { organization, ttlMs, keyType, clock }: { organization: string; ttlMs: number; keyType: KeyType; clock: Clock },
): Promise<MadeRoot> {
  const keyName = `root-${randomBytes(8).toString('hex')}`;
  const signer = await keys.generate(keyName, keyType);
  const template = { organization, ttlMs, now: clock.now(), serial: randomBytes(16) };
  const root = certificatePem(unwrap(await createRootBy(signer, template)));
  return { certificate: root, privateKey: '', root, keyName };
}
