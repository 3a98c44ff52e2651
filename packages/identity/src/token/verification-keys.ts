import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto';
import { errorText, ok, type Result } from '@xebec/core';
import { type Refusal, refuse } from '../refusal.ts';

/** A key by which tokens of an issuer are judged. */
export interface VerificationKey {
  readonly kid?: string;
  /** The only algorithm that it may be used with, where the set says one. */
  readonly algorithm?: string;
  readonly publicKey: KeyObject;
}

const MAX_BYTES = 1 << 20;
const MAX_KEYS = 256;

/**
 * The keys of an issuer's JWKS (RFC 7517) that can verify. Symmetric keys, keys for encryption and kinds that are not known are passed
 * over: a set may hold them for others. Reads the public half of whatever it is given.
 */
export function parseVerificationKeys(text: string): Result<VerificationKey[], Refusal> {
  if (text.length > MAX_BYTES) return refuse('E_BUNDLE', `the key set has ${text.length} bytes, at most ${MAX_BYTES} are read`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse('E_BUNDLE', `the key set is no JSON: ${errorText(error)}`);
  }
  const keys: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'keys') : undefined;
  if (!Array.isArray(keys)) return refuse('E_BUNDLE', 'the key set has no list "keys"');
  if (keys.length > MAX_KEYS) return refuse('E_BUNDLE', `the key set has ${keys.length} keys, at most ${MAX_KEYS} are read`);
  return ok(keys.flatMap((key: unknown) => readKey(key) ?? []));
}

function readKey(key: unknown): VerificationKey | undefined {
  if (typeof key !== 'object' || key === null) return undefined;
  const field = (name: string): unknown => Reflect.get(key, name);
  const [kid, algorithm, use, operations] = [field('kid'), field('alg'), field('use'), field('key_ops')];
  if (field('kty') === 'oct' || (use !== undefined && use !== 'sig')) return undefined;
  if (Array.isArray(operations) && !operations.includes('verify')) return undefined;
  try {
    // node:crypto checks every member itself and throws.
    const publicKey = createPublicKey({ key: key as webcrypto.JsonWebKey, format: 'jwk' });
    return {
      publicKey,
      ...(typeof kid === 'string' ? { kid } : {}),
      ...(typeof algorithm === 'string' ? { algorithm } : {}),
    };
  } catch {
    return undefined;
  }
}
