const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const maxCached = 2048;
const known = new Map<string, string>();

/**
 * The lower-case form of a field name, or undefined when it is not a token (RFC 9110 section 5.1). Names repeat from request
 * to request, so answers are kept in a bounded table; the kept string is a copy, not a slice that would hold a whole head.
 */
export function lowerCaseFieldName(name: string): string | undefined {
  const found = known.get(name);
  if (found !== undefined) return found;
  if (!tokenPattern.test(name)) return undefined;
  if (name.length > 256) return name.toLowerCase();
  const key = Buffer.from(name, 'latin1').toString('latin1');
  const lower = Buffer.from(name.toLowerCase(), 'latin1').toString('latin1');
  if (known.size >= maxCached) known.clear();
  known.set(key, lower);
  return lower;
}

export function isToken(text: string): boolean {
  return tokenPattern.test(text);
}

const forbiddenInValue = /[\0\r\n]/g;

/** A value that cannot end its line: NUL, CR and LF become spaces (RFC 9110 section 5.5). */
export function safeFieldValue(value: string): string {
  if (value.indexOf('\n') < 0 && value.indexOf('\r') < 0 && value.indexOf('\0') < 0) return value;
  return value.replace(forbiddenInValue, ' ');
}
