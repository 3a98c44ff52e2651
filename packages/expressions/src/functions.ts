import { RE2JS } from 're2js';
import { parseDnsName, parseEmail, parseUri } from './name-types.ts';
import { formatIp, parseIp, parseTimestampNs } from './text-types.ts';
import type { Value, ValueType } from './value.ts';

/** The value, or undefined with `explain` called. */
type Apply = (args: readonly Value[], explain: (message: string) => void) => Value | undefined;

export interface FunctionSignature {
  /** Type of what stands before the dot; undefined for plain functions. */
  readonly target: ValueType | undefined;
  readonly args: readonly ValueType[];
  readonly returns: ValueType;
  /** Gets the target first. */
  readonly apply: Apply;
  /** Checks arguments that are literals when the configuration is read; the message says what is wrong. */
  readonly checkLiteral?: (position: number, literal: string) => string | undefined;
}

// The checker guarantees the types of arguments; this states them to the compiler without casts.
const text = (value: Value | undefined): string => (typeof value === 'string' ? value : '');

const parsed =
  (what: string, parse: (text: string) => Value | undefined): Apply =>
  ([value], explain) => {
    const result = parse(text(value));
    if (result === undefined) explain(`${JSON.stringify(text(value).slice(0, 80))} is not ${what}`);
    return result;
  };

function conversion(returns: ValueType, what: string, parse: (text: string) => Value | undefined): FunctionSignature {
  return {
    target: undefined,
    args: ['STRING'],
    returns,
    apply: parsed(what, parse),
    checkLiteral: (_, literal) => (parse(literal) === undefined ? `${JSON.stringify(literal)} is not ${what}` : undefined),
  };
}

const regexes = new Map<string, RE2JS>();
/** Patterns are literals nearly always, so few of them exist; RE2 keeps matching linear whatever a request holds. */
function regex(pattern: string): RE2JS | undefined {
  const known = regexes.get(pattern);
  if (known !== undefined) return known;
  try {
    const compiled = RE2JS.compile(pattern);
    if (regexes.size >= 256) regexes.clear();
    regexes.set(pattern, compiled);
    return compiled;
  } catch {
    return undefined;
  }
}

function wildcard(value: string, pattern: string): boolean {
  if (pattern.endsWith('*')) return value.startsWith(pattern.slice(0, -1));
  if (pattern.startsWith('*')) return value.endsWith(pattern.slice(1));
  return value === pattern;
}

/** Of text in bytes of UTF-8. */
const size: Apply = ([value]) => {
  if (typeof value === 'string') return BigInt(Buffer.byteLength(value));
  return value instanceof Map ? BigInt(value.size) : 0n;
};

/** Functions by name; `conditional` is not here, since its type follows its arguments. */
export const FUNCTIONS: ReadonlyMap<string, readonly FunctionSignature[]> = new Map<string, readonly FunctionSignature[]>([
  ['ip', [conversion('IP_ADDRESS', 'an IP address', parseIp)]],
  ['timestamp', [conversion('TIMESTAMP', 'an RFC 3339 time', parseTimestampNs)]],
  ['dnsName', [conversion('DNS_NAME', 'a DNS name', parseDnsName)]],
  ['email', [conversion('EMAIL_ADDRESS', 'an e-mail address', parseEmail)]],
  ['uri', [conversion('URI', 'a URI', parseUri)]],
  [
    'size',
    [
      { target: undefined, args: ['STRING'], returns: 'INT64', apply: size },
      { target: undefined, args: ['STRING_MAP'], returns: 'INT64', apply: size },
    ],
  ],
  [
    'match',
    [{ target: undefined, args: ['STRING', 'STRING'], returns: 'BOOL', apply: ([value, pattern]) => wildcard(text(value), text(pattern)) }],
  ],
  [
    'matches',
    [
      {
        target: 'STRING',
        args: ['STRING'],
        returns: 'BOOL',
        apply: ([pattern, value], explain) => {
          const compiled = regex(text(pattern));
          if (compiled === undefined) explain(`${JSON.stringify(text(pattern).slice(0, 80))} is not a regular expression`);
          return compiled?.matcher(text(value)).find();
        },
        checkLiteral: (position, literal) =>
          position === 0 && regex(literal) === undefined ? `${JSON.stringify(literal)} is not a regular expression (RE2)` : undefined,
      },
    ],
  ],
  [
    'startsWith',
    [{ target: 'STRING', args: ['STRING'], returns: 'BOOL', apply: ([value, prefix]) => text(value).startsWith(text(prefix)) }],
  ],
  ['endsWith', [{ target: 'STRING', args: ['STRING'], returns: 'BOOL', apply: ([value, suffix]) => text(value).endsWith(text(suffix)) }]],
  ['toLower', [{ target: undefined, args: ['STRING'], returns: 'STRING', apply: ([value]) => text(value).toLowerCase() }]],
  ['reverse', [{ target: undefined, args: ['STRING'], returns: 'STRING', apply: ([value]) => [...text(value)].reverse().join('') }]],
  ['emptyStringMap', [{ target: undefined, args: [], returns: 'STRING_MAP', apply: () => new Map() }]],
  [
    'conditionalString',
    [{ target: undefined, args: ['BOOL', 'STRING', 'STRING'], returns: 'STRING', apply: ([test, a, b]) => (test === true ? a : b) }],
  ],
  [
    'string',
    [
      {
        target: undefined,
        args: ['IP_ADDRESS'],
        returns: 'STRING',
        apply: ([value]) => (value instanceof Uint8Array ? formatIp(value) : ''),
      },
    ],
  ],
]);
