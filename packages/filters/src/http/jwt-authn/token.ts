/** Longest compact token that is looked at; Envoy has no limit of its own below that of the header section. */
export const MAX_TOKEN_BYTES = 64 * 1024;

/** RFC 7518 names of the algorithms that are verified. `none` is not among them and never will be. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'HS256',
  'HS384',
  'HS512',
] as const;
export type JwtAlgorithm = (typeof ALGORITHMS)[number];

/** A JSON Web Token taken apart (RFC 7519, compact serialization); nothing of it is verified yet. */
export interface Token {
  readonly algorithm: JwtAlgorithm;
  /** Empty when the header names none. */
  readonly keyId: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
  /** The payload as it stands in the token. */
  readonly payloadText: string;
  /** What is signed: header, dot, payload. */
  readonly signed: string;
  readonly signature: Buffer;
  readonly issuer: string;
  readonly subject: string;
  readonly audiences: readonly string[];
  /** Seconds since the epoch; 0 when absent. */
  readonly issuedAt: number;
  readonly notBefore: number;
  readonly expires: number;
}

const BAD_FORMAT = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';

/** Takes a token apart; a string is Envoy's text for what is wrong with it. */
export function parseToken(text: string): Token | string {
  if (text.length > MAX_TOKEN_BYTES) return BAD_FORMAT;
  const [headerText = '', payloadText = '', signatureText = '', ...more] = text.split('.', 4);
  if (more.length > 0 || headerText === '' || payloadText === '' || signatureText === '') return BAD_FORMAT;
  const headerBytes = decodeBase64Url(headerText);
  if (headerBytes === undefined) return 'Jwt header is an invalid Base64url encoded';
  const header = parseObject(headerBytes);
  if (header === undefined) return 'Jwt header is an invalid JSON';
  if (typeof header.alg !== 'string') return 'Jwt header [alg] field is required and must be a string';
  const algorithm = ALGORITHMS.find((known) => known === header.alg);
  if (algorithm === undefined) return 'Jwt header [alg] is not supported';
  if (header.kid !== undefined && typeof header.kid !== 'string') return 'Jwt header [kid] field is not a string';
  const payloadBytes = decodeBase64Url(payloadText);
  if (payloadBytes === undefined) return 'Jwt payload is an invalid Base64url encoded';
  const payload = parseObject(payloadBytes);
  if (payload === undefined) return 'Jwt payload is an invalid JSON';
  for (const name of ['iss', 'sub', 'jti'] as const)
    if (payload[name] !== undefined && typeof payload[name] !== 'string') return `Jwt payload [${name}] field is not a string`;
  for (const name of ['iat', 'nbf', 'exp'] as const) {
    const value = payload[name];
    if (value === undefined) continue;
    if (typeof value !== 'number') return `Jwt payload [${name}] field is not an integer`;
    if (value < 0 || value > Number.MAX_SAFE_INTEGER) return `Jwt payload [${name}] field is not a positive 64 bit integer`;
  }
  const audiences = audiencesOf(payload.aud);
  if (audiences === undefined) return 'Jwt payload [aud] field is not a string or string list';
  const signature = decodeBase64Url(signatureText);
  if (signature === undefined) return 'Jwt signature is an invalid Base64url encoded';
  return {
    algorithm,
    keyId: header.kid ?? '',
    header,
    payload,
    payloadText,
    signed: `${headerText}.${payloadText}`,
    signature,
    issuer: textOf(payload.iss),
    subject: textOf(payload.sub),
    audiences,
    issuedAt: secondsOf(payload.iat),
    notBefore: secondsOf(payload.nbf),
    expires: secondsOf(payload.exp),
  };
}

/** Strict: no padding, no other alphabet, no white space, no bits left over. An empty text is refused too. */
export function decodeBase64Url(text: string): Buffer | undefined {
  if (text === '' || !/^[A-Za-z0-9_-]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return Object.fromEntries(Object.entries(value));
  } catch {
    return undefined;
  }
}

function audiencesOf(value: unknown): readonly string[] | undefined {
  if (value === undefined) return [];
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return undefined;
  const list: string[] = [];
  for (const entry of value) {
    if (typeof entry !== 'string') return undefined;
    list.push(entry);
  }
  return list;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
const secondsOf = (value: unknown): number => (typeof value === 'number' ? Math.trunc(value) : 0);
