import { type CelFunc, CelScalar, celFunc, celMethod, mapType } from '@bufbuild/cel';
import { RE2JS } from 're2js';
import { FUNCTIONS } from '../functions.ts';
import { normalDnsName, normalEmail, normalUri, parseDnsName, parseEmail, parseUri } from '../name-types.ts';
import { parseIp } from '../text-types.ts';
import type { ValueType } from '../value.ts';

const { BOOL, BYTES, STRING } = CelScalar;

function parsed<T>(what: string, parse: (text: string) => T | undefined): (text: string) => T {
  return (text) => {
    const value = parse(text);
    // The library makes an evaluation error of it.
    if (value === undefined) throw new Error(`${JSON.stringify(text.slice(0, 80))} is not ${what}`);
    return value;
  };
}

/** CEL compares text as it is: names are made equal when they are made. */
const normalized =
  (parse: (text: string) => string | undefined, normal: (name: string) => string | undefined) =>
  (text: string): string | undefined => {
    const name = parse(text);
    return name === undefined ? undefined : normal(name);
  };

const reversed = (text: string): string => [...text].reverse().join('');

function wildcard(value: string, pattern: string): boolean {
  const match = FUNCTIONS.get('match')?.[0];
  return match?.apply([value, pattern], () => undefined) === true;
}

/** What release 1.4's CEL had beyond the standard's functions. */
export const celFunctions: readonly CelFunc[] = [
  celFunc('match', [STRING, STRING], BOOL, wildcard),
  celFunc('matches', [STRING, STRING], BOOL, (text, pattern) => RE2JS.compile(pattern).matcher(text).find()),
  celFunc('reverse', [STRING], STRING, reversed),
  celMethod('reverse', STRING, [], STRING, function reverse() {
    return reversed(this);
  }),
  celFunc('toLower', [STRING], STRING, (text) => text.toLowerCase()),
  celFunc('email', [STRING], STRING, parsed('an e-mail address', normalized(parseEmail, normalEmail))),
  celFunc('dnsName', [STRING], STRING, parsed('a DNS name', normalized(parseDnsName, normalDnsName))),
  celFunc('uri', [STRING], STRING, parsed('a URI', normalized(parseUri, normalUri))),
  celFunc('ip', [STRING], BYTES, parsed('an IP address', parseIp)),
  celFunc('emptyStringMap', [], mapType(STRING, STRING), () => new Map<string, string>()),
];

/** Result types of functions whose result does not depend on their arguments, also of the standard's. */
export const CEL_RESULTS: ReadonlyMap<string, ValueType> = new Map<string, ValueType>([
  ['match', 'BOOL'],
  ['matches', 'BOOL'],
  ['startsWith', 'BOOL'],
  ['endsWith', 'BOOL'],
  ['contains', 'BOOL'],
  ['reverse', 'STRING'],
  ['toLower', 'STRING'],
  ['string', 'STRING'],
  ['email', 'EMAIL_ADDRESS'],
  ['dnsName', 'DNS_NAME'],
  ['uri', 'URI'],
  ['ip', 'IP_ADDRESS'],
  ['emptyStringMap', 'STRING_MAP'],
  ['size', 'INT64'],
  ['int', 'INT64'],
  ['double', 'DOUBLE'],
  ['bool', 'BOOL'],
  ['timestamp', 'TIMESTAMP'],
  ['duration', 'DURATION'],
  ['_==_', 'BOOL'],
  ['_!=_', 'BOOL'],
  ['_<_', 'BOOL'],
  ['_<=_', 'BOOL'],
  ['_>_', 'BOOL'],
  ['_>=_', 'BOOL'],
  ['_&&_', 'BOOL'],
  ['_||_', 'BOOL'],
  ['!_', 'BOOL'],
  ['@in', 'BOOL'],
  ['getFullYear', 'INT64'],
  ['getMonth', 'INT64'],
  ['getDate', 'INT64'],
  ['getDayOfMonth', 'INT64'],
  ['getDayOfWeek', 'INT64'],
  ['getDayOfYear', 'INT64'],
  ['getHours', 'INT64'],
  ['getMinutes', 'INT64'],
  ['getSeconds', 'INT64'],
  ['getMilliseconds', 'INT64'],
]);

/** Functions whose result follows their arguments. */
export const CEL_OTHERS: ReadonlySet<string> = new Set([
  '_+_',
  '_-_',
  '_*_',
  '_/_',
  '_%_',
  '-_',
  '_?_:_',
  '_[_]',
  'uint',
  'bytes',
  'dyn',
  'type',
  '@not_strictly_false',
  '__not_strictly_false__',
]);
