import { type JoinedField, joinedField } from './joined-fields.ts';

/** What a field name means to a codec; everything else is `plain`. */
export const fieldRole = {
  plain: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  upgrade: 5,
  keepAlive: 6,
  expect: 7,
} as const;

/** A field name that has been checked. */
export interface FieldName {
  readonly lower: string;
  /** `lower: `, as it begins a line. */
  readonly line: string;
  /** One of `fieldRole`. */
  readonly role: number;
  /** Set where values of several such fields become one. */
  readonly joined: JoinedField | undefined;
}

const roles = new Map<string, number>([
  ['host', fieldRole.host],
  ['content-length', fieldRole.contentLength],
  ['transfer-encoding', fieldRole.transferEncoding],
  ['connection', fieldRole.connection],
  ['upgrade', fieldRole.upgrade],
  ['keep-alive', fieldRole.keepAlive],
  ['proxy-connection', fieldRole.keepAlive],
  ['expect', fieldRole.expect],
]);

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const maxCached = 2048;
const known = new Map<string, FieldName>();

/**
 * What is known of a field name, or undefined when it is not a token (RFC 9110 section 5.1). Names repeat from request to
 * request, so answers are kept in a bounded table; the kept string is a copy, not a slice that would hold a whole head.
 */
export function fieldNameOf(name: string): FieldName | undefined {
  return known.get(name) ?? learn(name);
}

function learn(name: string): FieldName | undefined {
  if (!tokenPattern.test(name)) return undefined;
  const key = Buffer.from(name, 'latin1').toString('latin1');
  // As a property's name a string is made unique, so that comparing it with a constant is comparing two addresses.
  const lower = Object.keys({ [Buffer.from(name.toLowerCase(), 'latin1').toString('latin1')]: true })[0] as string;
  const field: FieldName = {
    lower,
    line: `${lower}: `,
    role: roles.get(lower) ?? fieldRole.plain,
    joined: joinedField(lower),
  };
  if (name.length > 256) return field;
  if (known.size >= maxCached) known.clear();
  known.set(key, field);
  return field;
}

/** The lower-case form of a field name, or undefined when it is not a token. */
export function lowerCaseFieldName(name: string): string | undefined {
  return fieldNameOf(name)?.lower;
}

export function isToken(text: string): boolean {
  return tokenPattern.test(text);
}

const unsafeInValue = /[\0\r\n]/;
const forbiddenInValue = /[\0\r\n]/g;

/** A value that cannot end its line: NUL, CR and LF become spaces (RFC 9110 section 5.5). */
export function safeFieldValue(value: string): string {
  return unsafeInValue.test(value) ? value.replace(forbiddenInValue, ' ') : value;
}
