import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { hashOf, signatureAlgorithm } from './keys.ts';

/** Something that signs as a CA: a key in this process, in a hardware module or in a service. The key itself never shows. */
export interface Signer {
  readonly publicKey: KeyObject;
  /** The AlgorithmIdentifier (DER) of its signatures, which stands in what it signs. */
  readonly algorithm: Uint8Array;
  /** Signs DER: at once where the key is in this process, later where it is elsewhere. Rejects with a XebecError. */
  sign(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** A signer whose key is in this process. */
export interface LocalSigner extends Signer {
  sign(bytes: Uint8Array): Uint8Array;
}

export function localSigner(privateKey: KeyObject): LocalSigner {
  const hash = hashOf(privateKey);
  return {
    publicKey: createPublicKey(privateKey),
    algorithm: signatureAlgorithm(privateKey),
    sign: (bytes) => sign(hash, bytes, privateKey),
  };
}

/** Goes on with a signature at once where it is there, and when it comes where it is not. */
export function afterSigning<T>(signature: Uint8Array | Promise<Uint8Array>, next: (signature: Uint8Array) => T): T | Promise<T> {
  return signature instanceof Uint8Array ? next(signature) : signature.then(next);
}
