import { errorText, ok, type Result } from '@xebec/core';
import { type Certificate, parseCertificate } from '../certificate.ts';
import { type JwtKey, jwkOf, parseJwtKey } from '../jwt-svid/key-set.ts';
import { type Refusal, refuse } from '../refusal.ts';

/** What a SPIFFE bundle document says (SPIFFE Trust Domain and Bundle, section 4): the keys that speak for one trust domain. */
export interface BundleDocument {
  readonly roots: readonly Certificate[];
  readonly jwtKeys: readonly JwtKey[];
  /** Grows with each change, where the publisher says it. */
  readonly sequence?: number;
  /** How often consumers should ask again, where the publisher says it. */
  readonly refreshHintMs?: number;
}

/** A document larger than this is refused before it is read. */
export const MAX_BUNDLE_BYTES = 4 << 20;
const MAX_KEYS = 512;

export function renderBundle(bundle: BundleDocument): string {
  const roots = bundle.roots.map((root) => {
    const { kty, crv, x, y, n, e } = root.publicKey.export({ format: 'jwk' });
    return { kty, crv, x, y, n, e, use: 'x509-svid', x5c: [Buffer.from(root.der).toString('base64')] };
  });
  return JSON.stringify({
    keys: [...roots, ...bundle.jwtKeys.map(jwkOf)],
    spiffe_sequence: bundle.sequence,
    spiffe_refresh_hint: bundle.refreshHintMs === undefined ? undefined : Math.ceil(bundle.refreshHintMs / 1000),
  });
}

/**
 * Reads a bundle document. Keys of unknown or missing use are passed over (4.2.2); a key for X509-SVIDs that is not one CA
 * certificate refuses the whole, because a bundle that is read by half would cut workloads off.
 */
export function parseBundle(text: string): Result<BundleDocument, Refusal> {
  if (text.length > MAX_BUNDLE_BYTES)
    return refuse('E_BUNDLE', `the bundle document has ${text.length} bytes, at most ${MAX_BUNDLE_BYTES} are read`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse('E_BUNDLE', `the bundle document is no JSON: ${errorText(error)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse('E_BUNDLE', 'the bundle document is no JSON object');
  const keys: unknown = Reflect.get(value, 'keys');
  if (!Array.isArray(keys)) return refuse('E_BUNDLE', 'the bundle document has no list "keys"');
  if (keys.length > MAX_KEYS) return refuse('E_BUNDLE', `the bundle document has ${keys.length} keys, at most ${MAX_KEYS} are read`);
  const roots: Certificate[] = [];
  const jwtKeys: JwtKey[] = [];
  for (const key of keys) {
    const use: unknown = typeof key === 'object' && key !== null ? Reflect.get(key, 'use') : undefined;
    if (use === 'x509-svid') {
      const root = readRoot(key);
      if (!root.ok) return root;
      roots.push(root.value);
    }
    if (use !== 'jwt-svid') continue;
    const jwtKey = parseJwtKey(key);
    if (!jwtKey.ok) return jwtKey;
    if (jwtKey.value !== undefined) jwtKeys.push(jwtKey.value);
  }
  const sequence = wholeNumber(Reflect.get(value, 'spiffe_sequence'), 'spiffe_sequence');
  if (!sequence.ok) return sequence;
  const hint = wholeNumber(Reflect.get(value, 'spiffe_refresh_hint'), 'spiffe_refresh_hint');
  if (!hint.ok) return hint;
  return ok({
    roots,
    jwtKeys,
    ...(sequence.value === undefined ? {} : { sequence: sequence.value }),
    ...(hint.value === undefined ? {} : { refreshHintMs: hint.value * 1000 }),
  });
}

function readRoot(key: object): Result<Certificate, Refusal> {
  const chain: unknown = Reflect.get(key, 'x5c');
  const [text]: readonly unknown[] = Array.isArray(chain) && chain.length === 1 ? chain : [];
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text))
    return refuse('E_BUNDLE', 'a key for X509-SVIDs holds exactly one certificate in x5c, as base64');
  const root = parseCertificate(Buffer.from(text, 'base64'));
  if (!root.ok) return refuse('E_BUNDLE', `a certificate of the bundle document cannot be read: ${root.error.message}`);
  if (root.value.extensions.basicConstraints?.ca !== true) return refuse('E_BUNDLE', "a certificate of the bundle document is no CA's");
  return root;
}

function wholeNumber(value: unknown, name: string): Result<number | undefined, Refusal> {
  if (value === undefined || value === null) return ok(undefined);
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
    ? ok(value)
    : refuse('E_BUNDLE', `${name} of the bundle document is no whole number`);
}
