import { type DescEnum, ScalarType } from '@bufbuild/protobuf';
import { err, nearest, ok, type Result } from '@xebec/core';
import { parseDurationNs, parseIp, parseTimestampNs, type TypedValue, type Value, type ValueType } from '@xebec/expressions';

/** Text between quotes of either kind is meant as it stands, escapes included; undefined: an expression, or no text at all. */
export function quotedText(value: unknown): string | undefined {
  return typeof value === 'string' && /^(?:".*"|'.*')$/s.test(value) ? value.slice(1, -1) : undefined;
}

/** A scalar field's constant. As in release 1.4 integers may be quoted and hexadecimal, and nothing becomes text or a boolean. */
export function scalarLiteral(scalar: ScalarType, value: unknown): Result<TypedValue, string> {
  switch (scalar) {
    case ScalarType.STRING:
      return typeof value === 'string' ? ok({ type: 'STRING', value }) : err(`is ${shown(value)}, not text: quote it twice, '"like this"'`);
    case ScalarType.BOOL:
      return typeof value === 'boolean' ? ok({ type: 'BOOL', value }) : err(`is ${shown(value)}, not true or false`);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT: {
      const number = typeof value === 'number' ? value : integer(value);
      return number === undefined ? err(`is ${shown(value)}, not a number`) : ok({ type: 'DOUBLE', value: Number(number) });
    }
    default: {
      const whole = integer(value);
      return whole === undefined ? err(`is ${shown(value)}, not a whole number of 64 bits`) : ok({ type: 'INT64', value: whole });
    }
  }
}

/** The number of an enumerator, by its name or number. */
export function enumNumber({ typeName, values }: DescEnum, value: unknown): Result<bigint, string> {
  const number = typeof value === 'bigint' ? value : integer(value);
  const found = values.find((one) => (typeof value === 'string' ? one.name === value : BigInt(one.number) === number));
  if (found !== undefined) return ok(BigInt(found.number));
  const names = values.map(({ name }) => name);
  const suggestion = typeof value === 'string' ? nearest(value, names) : undefined;
  const hint = suggestion === undefined ? `it is one of ${names.join(', ')}` : `did you mean "${suggestion}"?`;
  return err(`enumeration ${typeName} has no ${shown(value)}; ${hint}`);
}

/** Constants of the messages of `policy/v1beta1` that hold one value. */
export function valueLiteral(type: ValueType | 'any', value: unknown): Result<TypedValue, string> {
  if (typeof value === 'string') {
    const read = type === 'any' ? value : TEXTS[type]?.(value);
    return read === undefined
      ? err(`is ${shown(value)}, not a value of type ${type}`)
      : ok({ type: type === 'any' ? 'STRING' : type, value: read });
  }
  if (type === 'any' && typeof value === 'number') return ok({ type: 'DOUBLE', value });
  if (type === 'any' && typeof value === 'boolean') return ok({ type: 'BOOL', value });
  return err(`is ${shown(value)}, not an expression${type === 'any' ? '' : ` of type ${type}`}`);
}

const asItStands = (text: string): string => text;
const TEXTS: Partial<Readonly<Record<ValueType, (text: string) => Value | undefined>>> = {
  URI: asItStands,
  DNS_NAME: asItStands,
  EMAIL_ADDRESS: asItStands,
  DURATION: parseDurationNs,
  TIMESTAMP: parseTimestampNs,
  IP_ADDRESS: parseIp,
};

const MAX_INT64 = 2n ** 63n;

/** A whole number, or one in text as Go writes it: `12`, `-0x0c`, `0b1100`, `014`. */
function integer(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) < 2 ** 63 ? BigInt(value) : undefined;
  const match = typeof value === 'string' ? /^([+-]?)(0[xX][\da-fA-F]+|0[bB][01]+|0[oO][0-7]+|0[0-7]*|[1-9]\d*)$/.exec(value) : null;
  if (match === null) return undefined;
  const [, sign, digits = ''] = match;
  const size = BigInt(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  const whole = sign === '-' ? -size : size;
  return whole >= -MAX_INT64 && whole < MAX_INT64 ? whole : undefined;
}

function shown(value: unknown): string {
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
