const BASE64URL = /^[A-Za-z0-9_-]+$/;
const CURVES: ReadonlySet<unknown> = new Set(['P-256', 'P-384', 'P-521']);

/** Longer texts are nobody's keys. */
const MAX_LENGTH = 1024 * 1024;

/**
 * Whether a text is a JSON Web Key Set (RFC 7517) with a key that a proxy could verify by. Envoy refuses a listener with any other, and
 * with it every change that comes after.
 */
export function hasUsableKey(text: string): boolean {
  if (text.length > MAX_LENGTH) return false;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof parsed !== 'object' || parsed === null || !('keys' in parsed) || !Array.isArray(parsed.keys)) return false;
  return parsed.keys.some((key: unknown) => typeof key === 'object' && key !== null && isUsable({ ...key }));
}

function isUsable(key: Record<string, unknown>): boolean {
  const has = (...fields: readonly string[]): boolean =>
    fields.every((field) => {
      const value = key[field];
      return typeof value === 'string' && BASE64URL.test(value);
    });
  const alg = key['alg'] === undefined ? '' : key['alg'];
  if (typeof alg !== 'string') return false;
  switch (key['kty']) {
    case 'RSA':
      return has('n', 'e') && (alg === '' || /^[RP]S(?:256|384|512)$/.test(alg));
    case 'EC':
      return has('x', 'y') && (key['crv'] === undefined || CURVES.has(key['crv'])) && (alg === '' || /^ES(?:256|384|512)$/.test(alg));
    case 'OKP':
      return has('x') && key['crv'] === 'Ed25519' && (alg === '' || alg === 'EdDSA');
    case 'oct':
      return has('k') && (alg === '' || /^HS(?:256|384|512)$/.test(alg));
    default:
      return false;
  }
}
