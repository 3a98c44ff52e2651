import { lowerCaseFieldName } from '../field-name.ts';
import { staticCount, staticTable } from './static-table.ts';

/** How an encoder treats a field of some name. */
export type Indexing = 'index' | 'literal' | 'never';

/** What an encoder knows of a field name before it sees a value. */
export interface KnownName {
  /** The name in lower case, as it goes out. */
  readonly name: string;
  /** Its place in the static table; 0 without. */
  readonly staticIndex: number;
  /** Entries of the static table by value. */
  readonly staticValues: ReadonlyMap<string, number> | undefined;
  readonly indexing: Indexing;
  /** Not a field that a message may have of its own: a pseudo-header field, or one of an HTTP/1 connection (RFC 9113 section 8.2.2). */
  readonly withheld: boolean;
  /** May be sent as `trailers` alone. */
  readonly isTe: boolean;
}

/** Secrets: never in a table, here or further on (RFC 7541 section 7.1.3). */
const neverIndexed = new Set(['authorization', 'proxy-authorization', 'cookie', 'set-cookie']);
/** Differ from message to message: a table entry would only push out useful ones. */
const notWorthIndexing = new Set([
  ...[':path', 'content-length', 'date', 'etag', 'last-modified', 'x-request-id', 'traceparent', 'x-b3-traceid', 'x-b3-spanid'],
  ...['x-b3-parentspanid', 'x-envoy-upstream-service-time', 'x-forwarded-for', 'age', 'if-none-match', 'location', 'grpc-timeout'],
]);
const connectionSpecific = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'host']);

const staticIndexes = new Map<string, number>();
const staticValues = new Map<string, Map<string, number>>();
for (let i = staticCount; i >= 1; i--) {
  const name = staticTable[2 * i - 2] as string;
  const value = staticTable[2 * i - 1] as string;
  staticIndexes.set(name, i);
  if (value === '') continue;
  const values = staticValues.get(name) ?? new Map<string, number>();
  staticValues.set(name, values.set(value, i));
}

const maxKept = 2048;
const maxKeptBytes = 128;
const kept = new Map<string, KnownName>();

/** Undefined when the name is neither a pseudo-header field of the static table nor a token. */
export function knownName(name: string): KnownName | undefined {
  return kept.get(name) ?? learn(name);
}

function learn(given: string): KnownName | undefined {
  const name = given === ':protocol' || (given.startsWith(':') && staticIndexes.has(given)) ? given : lowerCaseFieldName(given);
  if (name === undefined) return undefined;
  const known: KnownName = {
    name,
    staticIndex: staticIndexes.get(name) ?? 0,
    staticValues: staticValues.get(name),
    indexing: neverIndexed.has(name) ? 'never' : notWorthIndexing.has(name) ? 'literal' : 'index',
    withheld: name.startsWith(':') || connectionSpecific.has(name),
    isTe: name === 'te',
  };
  if (given.length > maxKeptBytes) return known;
  if (kept.size >= maxKept) kept.clear();
  // A copy: a slice would hold the whole head it was cut from.
  kept.set(Buffer.from(given, 'latin1').toString('latin1'), known);
  return known;
}

/** For names that are written in the code. */
export function requireName(name: string): KnownName {
  const known = knownName(name);
  if (known === undefined) throw new TypeError(`${name} is no field name`);
  return known;
}
