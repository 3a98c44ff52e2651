import { isRecord } from '../violations.ts';

export interface KeyOfSet {
  /** Whether who reads it could sign too. */
  readonly secret: boolean;
}

/** Longer texts are nobody's keys. */
const MAX_LENGTH = 1024 * 1024;

/** Fields a public key of a type must have (RFC 7518, section 6; RFC 8037). */
const REQUIRED: Readonly<Record<string, readonly string[]>> = { RSA: ['n', 'e'], EC: ['crv', 'x', 'y'], OKP: ['crv', 'x'], oct: ['k'] };

/** The keys of a JSON Web Key Set, or of one key that stands alone (RFC 7517); otherwise what is wrong with the text. */
export function readKeySet(text: string): readonly KeyOfSet[] | string {
  if (text.length > MAX_LENGTH) return `longer than ${MAX_LENGTH} characters`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return 'not JSON; paste the key set as its server answers it';
  }
  if (!isRecord(parsed) || Array.isArray(parsed)) return 'not a JSON Web Key Set: expected {"keys": [...]}';
  const list = 'keys' in parsed ? parsed['keys'] : [parsed];
  if (!Array.isArray(list)) return 'not a JSON Web Key Set: "keys" is not a list';
  const keys: KeyOfSet[] = [];
  for (const [index, key] of list.entries()) {
    const wrong = isRecord(key) ? wrongWith(key) : 'is not an object';
    if (wrong !== undefined) return `key ${index} ${wrong}`;
    if (isRecord(key)) keys.push({ secret: key['kty'] === 'oct' || typeof key['d'] === 'string' });
  }
  return keys;
}

function wrongWith(key: Readonly<Record<string, unknown>>): string | undefined {
  const type = key['kty'];
  const required = typeof type === 'string' && Object.hasOwn(REQUIRED, type) ? REQUIRED[type] : undefined;
  if (required === undefined) return `has kty ${JSON.stringify(type)}; known are ${Object.keys(REQUIRED).join(', ')}`;
  if (key['alg'] !== undefined && typeof key['alg'] !== 'string') return `has alg ${JSON.stringify(key['alg'])}, which is not a name`;
  const missing = required.find((field) => typeof key[field] !== 'string' || key[field] === '');
  return missing === undefined ? undefined : `has no "${missing}"`;
}
