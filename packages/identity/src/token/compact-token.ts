import { ok, type Result } from '@xebec/core';
import { type Refusal, refuse } from '../refusal.ts';
import { hasRepeatedMember } from './json-members.ts';

/** The two readable parts of a JWS in compact form (RFC 7515 7.1); nothing of them is proven yet. */
export interface CompactToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** A service-account token has about 1 kB. */
const MAX_TOKEN_BYTES = 16 * 1024;

/** Reads a JWT's form, strictly: three parts in base64url without padding, two JSON objects, no member twice. */
export function readCompactToken(text: string): Result<CompactToken, Refusal> {
  if (text.length > MAX_TOKEN_BYTES)
    return refuse('E_JWT_FORMAT', `the token has ${text.length} bytes, at most ${MAX_TOKEN_BYTES} are read`);
  const parts = text.split('.', 6);
  if (parts.length !== 3)
    return refuse('E_JWT_FORMAT', `the token has ${parts.length > 5 ? 'more than 5' : parts.length} parts instead of 3`);
  const [first = '', second = '', signature = ''] = parts;
  const header = readPart(first, 'header');
  if (!header.ok) return header;
  const claims = readPart(second, 'payload');
  if (!claims.ok) return claims;
  if (signature === '') return refuse('E_JWT_FORMAT', 'the token has no signature');
  if (decode(signature) === undefined) return refuse('E_JWT_FORMAT', "the token's signature is not base64url");
  return ok({ header: header.value, claims: claims.value });
}

function readPart(part: string, what: string): Result<Readonly<Record<string, unknown>>, Refusal> {
  const bytes = decode(part);
  if (bytes === undefined) return refuse('E_JWT_FORMAT', `the token's ${what} is not base64url`);
  let value: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    value = JSON.parse(text);
  } catch {
    // The cause would quote the token.
    return refuse('E_JWT_FORMAT', `the token's ${what} is not JSON`);
  }
  if (!isObject(value)) return refuse('E_JWT_FORMAT', `the token's ${what} is no JSON object`);
  if (hasRepeatedMember(text)) return refuse('E_JWT_FORMAT', `the token's ${what} has a member twice`);
  return ok(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Base64url without padding, in the one spelling that encodes these bytes; undefined for anything else. */
function decode(part: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(part)) return undefined;
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : undefined;
}
