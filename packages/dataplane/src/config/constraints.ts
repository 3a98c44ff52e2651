import { type DescEnum, type DescField, type DescMessage, getOption, hasOption, type Message } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import { type FieldRules, ignored, KnownRegex, disabled as messageDisabled, required, rules } from '@xebec/protos/validate/validate';

/** One broken constraint of a message, in Envoy's words. */
export interface Violation {
  /** `static_resources.clusters[0].connect_timeout`. */
  readonly path: string;
  /** `value must be greater than 0s`. */
  readonly reason: string;
  /** `ClusterValidationError.ConnectTimeout: value must be greater than 0s`, with every message on the way. */
  readonly chain: string;
}

/** What is wrong with one value; undefined when it is fine. */
type ValueCheck = (value: unknown) => string | undefined;
type Enter = (schema: DescMessage, message: Message) => Violation | undefined;
type FieldCheck = (message: Message, enter: Enter) => Violation | undefined;

/** Rules of our API files that Envoy 1.40 has given up. */
const abandoned = new Set(['envoy.config.core.v3.RuntimeUInt32.runtime_key', 'envoy.type.v3.TokenBucket.max_tokens']);

const mayBeEmpty = new Set(['envoy.config.metrics.v3.HistogramBucketSettings.buckets']);

const compiled = new WeakMap<DescMessage, readonly FieldCheck[]>();

/** Checks the `validate.rules` options of a message and of the messages in it, not of what lies in an Any: that is another message. */
export function findViolation(schema: DescMessage, message: Message): Violation | undefined {
  let checks = compiled.get(schema);
  if (checks === undefined) {
    checks = compileMessage(schema);
    compiled.set(schema, checks);
  }
  for (const check of checks) {
    const found = check(message, findViolation);
    if (found !== undefined) return found;
  }
  return undefined;
}

function compileMessage(schema: DescMessage): FieldCheck[] {
  if (getOption(schema, messageDisabled) || getOption(schema, ignored)) return [];
  const checks: FieldCheck[] = [];
  for (const field of schema.fields) {
    const check = compileField(schema, field);
    if (check !== undefined) checks.push(check);
  }
  for (const oneof of schema.oneofs) {
    if (!hasOption(oneof, required) || getOption(oneof, required) !== true) continue;
    checks.push((message) => {
      const chosen: unknown = Reflect.get(message, oneof.localName);
      const isSet = typeof chosen === 'object' && chosen !== null && Reflect.get(chosen, 'case') !== undefined;
      return isSet ? undefined : violation(schema, oneof.name, 'is required');
    });
  }
  return checks;
}

function compileField(schema: DescMessage, field: DescField): FieldCheck | undefined {
  const rule = hasOption(field, rules) && !abandoned.has(`${schema.typeName}.${field.name}`) ? getOption(field, rules) : undefined;
  const read = reader(field);
  switch (field.fieldKind) {
    case 'list': {
      const repeated = rule?.type.case === 'repeated' ? rule.type.value : undefined;
      const item = repeated?.items === undefined ? undefined : compileValue(repeated.items, field.enum);
      const inner = field.message;
      const whole = repeated === undefined ? undefined : listCheck(repeated, mayBeEmpty.has(`${schema.typeName}.${field.name}`));
      const skip = repeated?.items?.message?.skip === true;
      if (whole === undefined && item === undefined && !mayHoldRules(inner)) return undefined;
      return (message, enter) => {
        const values = read(message);
        if (!Array.isArray(values)) return undefined;
        const reason = whole?.(values);
        if (reason !== undefined) return violation(schema, field.name, reason);
        for (let i = 0; i < values.length; i++) {
          const bad = item?.(values[i]);
          if (bad !== undefined) return violation(schema, `${field.name}[${i}]`, bad);
          const found = inner === undefined || skip ? undefined : enterValue(inner, values[i], enter);
          if (found !== undefined) return within(schema, `${field.name}[${i}]`, found);
        }
        return undefined;
      };
    }
    case 'map': {
      const map = rule?.type.case === 'map' ? rule.type.value : undefined;
      const key = map?.keys === undefined ? undefined : compileValue(map.keys, undefined);
      const value = map?.values === undefined ? undefined : compileValue(map.values, field.enum);
      const inner = field.message;
      if (map === undefined && !mayHoldRules(inner)) return undefined;
      return (message, enter) => {
        const entries = Object.entries(Object(read(message)));
        if (map !== undefined && set(map, 'minPairs') && entries.length < Number(map.minPairs))
          return violation(schema, field.name, `value must contain at least ${map.minPairs} pair(s)`);
        if (map !== undefined && set(map, 'maxPairs') && entries.length > Number(map.maxPairs))
          return violation(schema, field.name, `value must contain no more than ${map.maxPairs} pair(s)`);
        for (const [name, entry] of entries) {
          const bad = key?.(name) ?? value?.(entry);
          if (bad !== undefined) return violation(schema, `${field.name}[${name}]`, bad);
          const found = inner === undefined ? undefined : enterValue(inner, entry, enter);
          if (found !== undefined) return within(schema, `${field.name}[${name}]`, found);
        }
        return undefined;
      };
    }
    default: {
      const inner = field.fieldKind === 'message' ? field.message : undefined;
      const check = rule === undefined ? undefined : compileValue(rule, field.fieldKind === 'enum' ? field.enum : undefined);
      const needed = rule?.message?.required === true || (isRequirable(rule) && rule.type.value.required);
      const skip = rule?.message?.skip === true;
      if (check === undefined && !needed && !mayHoldRules(inner)) return undefined;
      // Proto3 scalars without presence are checked even when nobody wrote them.
      const hasPresence = field.presence !== 2 || field.oneof !== undefined || inner !== undefined;
      return (message, enter) => {
        const value = read(message);
        if (value === undefined)
          return needed && field.oneof === undefined ? violation(schema, field.name, 'value is required') : undefined;
        if (hasPresence && field.fieldKind !== 'message' && !Object.hasOwn(message, field.localName) && field.oneof === undefined)
          return undefined;
        const bad = check?.(value);
        if (bad !== undefined) return violation(schema, field.name, bad);
        const found = inner === undefined || skip ? undefined : enterValue(inner, value, enter);
        return found === undefined ? undefined : within(schema, field.name, found);
      };
    }
  }
}

function isRequirable(rule: FieldRules | undefined): rule is FieldRules & { type: { value: { required: boolean } } } {
  return rule?.type.case === 'any' || rule?.type.case === 'duration' || rule?.type.case === 'timestamp';
}

/** The value of a field, undefined when it is not set; members of a oneof live in an object of its own. */
function reader(field: DescField): (message: Message) => unknown {
  const { oneof, localName } = field;
  if (oneof === undefined) return (message) => Reflect.get(message, localName);
  return (message) => {
    const chosen: unknown = Reflect.get(message, oneof.localName);
    return typeof chosen === 'object' && chosen !== null && Reflect.get(chosen, 'case') === localName
      ? Reflect.get(chosen, 'value')
      : undefined;
  };
}

const mayHoldRules = (schema: DescMessage | undefined): boolean => schema !== undefined && !schema.typeName.startsWith('google.protobuf.');

function enterValue(schema: DescMessage, value: unknown, enter: Enter): Violation | undefined {
  if (!mayHoldRules(schema) || typeof value !== 'object' || value === null) return undefined;
  // A value of a message field is that message: the descriptor says so.
  return enter(schema, value as Message);
}

function violation(schema: DescMessage, name: string, reason: string): Violation {
  return { path: name, reason, chain: `${schema.name}ValidationError.${pascal(name)}: ${reason}` };
}

function within(schema: DescMessage, name: string, inner: Violation): Violation {
  return {
    path: `${name}.${inner.path}`,
    reason: inner.reason,
    chain: `${schema.name}ValidationError.${pascal(name)}: embedded message failed validation | caused by ${inner.chain}`,
  };
}

const pascal = (name: string) => name.replaceAll(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
const set = (rule: object, name: string) => Object.hasOwn(rule, name);

function listCheck(
  rule: Extract<FieldRules['type'], { case: 'repeated' }>['value'],
  emptyIsFine: boolean,
): (values: readonly unknown[]) => string | undefined {
  const min = set(rule, 'minItems') ? Number(rule.minItems) : 0;
  const max = set(rule, 'maxItems') ? Number(rule.maxItems) : Number.POSITIVE_INFINITY;
  return (values) => {
    if (values.length === 0 && (rule.ignoreEmpty || emptyIsFine)) return undefined;
    if (values.length < min) return `value must contain at least ${min} item(s)`;
    if (values.length > max) return `value must contain no more than ${max} item(s)`;
    if (rule.unique && new Set(values).size < values.length) return 'repeated value must contain unique items';
    return undefined;
  };
}

function compileValue(rule: FieldRules, schema: DescEnum | undefined): ValueCheck | undefined {
  const { type } = rule;
  switch (type.case) {
    case undefined:
    case 'repeated':
    case 'map':
    case 'timestamp':
      return undefined;
    case 'string':
      return stringCheck(type.value);
    case 'bytes':
      return bytesCheck(type.value);
    case 'bool':
      return set(type.value, 'const')
        ? (value) => (value === type.value.const ? undefined : `value must equal ${type.value.const}`)
        : undefined;
    case 'enum':
      return enumCheck(type.value, schema);
    case 'any': {
      const { in: allowed, notIn } = type.value;
      return (value) => {
        const url: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'typeUrl') : undefined;
        if (allowed.length > 0 && !allowed.includes(String(url))) return `type URL must be in list [${allowed.join(' ')}]`;
        return notIn.includes(String(url)) ? `type URL must not be in list [${notIn.join(' ')}]` : undefined;
      };
    }
    case 'duration': {
      const { value } = type;
      const bound = (name: 'lt' | 'lte' | 'gt' | 'gte' | 'const') => (value[name] === undefined ? undefined : nanosOf(value[name]));
      const range = rangeCheck(
        { lt: bound('lt'), lte: bound('lte'), gt: bound('gt'), gte: bound('gte'), const: bound('const') },
        durationText,
      );
      return (duration) => (isDuration(duration) ? range(nanosOf(duration)) : undefined);
    }
    default: {
      const { value } = type;
      const bound = (name: 'lt' | 'lte' | 'gt' | 'gte' | 'const') => (set(value, name) ? value[name] : undefined);
      const range = rangeCheck({ lt: bound('lt'), lte: bound('lte'), gt: bound('gt'), gte: bound('gte'), const: bound('const') }, String);
      const allowed: readonly (number | bigint)[] = value.in;
      const forbidden: readonly (number | bigint)[] = value.notIn;
      return (found) => {
        const number = unwrapped(found);
        if (typeof number !== 'number' && typeof number !== 'bigint') return undefined;
        if (value.ignoreEmpty && Number(number) === 0) return undefined;
        if (Number.isNaN(number)) return undefined;
        if (allowed.length > 0 && !allowed.includes(number)) return `value must be in list [${allowed.join(', ')}]`;
        if (forbidden.includes(number)) return `value must not be in list [${forbidden.join(', ')}]`;
        return range(number);
      };
    }
  }
}

/** Wrapper messages stay messages inside a oneof. */
function unwrapped(value: unknown): unknown {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) ? Reflect.get(value, 'value') : value;
}

interface Range {
  readonly lt: number | bigint | undefined;
  readonly lte: number | bigint | undefined;
  readonly gt: number | bigint | undefined;
  readonly gte: number | bigint | undefined;
  readonly const: number | bigint | undefined;
}

function rangeCheck(range: Range, show: (value: number | bigint) => string): (value: number | bigint) => string | undefined {
  const { lt, lte, gt, gte } = range;
  const high = lt ?? lte;
  const low = gt ?? gte;
  const below = (value: number | bigint) => (lt !== undefined ? value < lt : lte === undefined || value <= lte);
  const above = (value: number | bigint) => (gt !== undefined ? value > gt : gte === undefined || value >= gte);
  const text = `${gt === undefined ? '[' : '('}${low === undefined ? '' : show(low)}, ${high === undefined ? '' : show(high)}${lt === undefined ? ']' : ')'}`;
  return (value) => {
    if (range.const !== undefined) return value === range.const ? undefined : `value must equal ${show(range.const)}`;
    if (high !== undefined && low !== undefined) {
      // A range whose end lies before its beginning says what is not allowed.
      if (high < low) return below(value) || above(value) ? undefined : `value must be outside range ${text}`;
      return below(value) && above(value) ? undefined : `value must be inside range ${text}`;
    }
    if (!below(value)) return `value must be less than ${lt === undefined ? 'or equal to ' : ''}${show(high ?? 0)}`;
    if (!above(value)) return `value must be greater than ${gt === undefined ? 'or equal to ' : ''}${show(low ?? 0)}`;
    return undefined;
  };
}

const isDuration = (value: unknown): value is Duration => typeof value === 'object' && value !== null && 'seconds' in value;
const nanosOf = ({ seconds, nanos }: Duration) => seconds * 1_000_000_000n + BigInt(nanos);

function durationText(nanos: number | bigint): string {
  const ms = Number(nanos) / 1e6;
  if (ms === 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const seconds = ms / 1000;
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}

function enumCheck(rule: Extract<FieldRules['type'], { case: 'enum' }>['value'], schema: DescEnum | undefined): ValueCheck {
  const defined = rule.definedOnly && schema !== undefined ? new Set(schema.values.map(({ number }) => number)) : undefined;
  return (value) => {
    if (typeof value !== 'number') return undefined;
    if (defined !== undefined && !defined.has(value)) return 'value must be one of the defined enum values';
    if (rule.in.length > 0 && !rule.in.includes(value)) return `value must be in list [${rule.in.join(' ')}]`;
    if (rule.notIn.includes(value)) return `value must not be in list [${rule.notIn.join(' ')}]`;
    return set(rule, 'const') && value !== rule.const ? `value must equal ${rule.const}` : undefined;
  };
}

const headerName = /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: header values must not have them, says the rule.
const headerValue = /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above.
const lenient = /^[^\u0000\u000a\u000d]*$/;

function stringCheck(rule: Extract<FieldRules['type'], { case: 'string' }>['value']): ValueCheck {
  const pattern = set(rule, 'pattern')
    ? new RegExp(rule.pattern.replaceAll('\\C', '[\\s\\S]').replaceAll(/^\(\?i\)/g, ''), 'u')
    : undefined;
  const known = rule.wellKnown.case === 'wellKnownRegex' ? rule.wellKnown.value : undefined;
  const knownPattern =
    known === undefined || known === KnownRegex.UNKNOWN
      ? undefined
      : rule.strict || !set(rule, 'strict')
        ? known === KnownRegex.HTTP_HEADER_NAME
          ? headerName
          : headerValue
        : lenient;
  return (found) => {
    const value = unwrapped(found);
    if (typeof value !== 'string') return undefined;
    if (value === '' && rule.ignoreEmpty) return undefined;
    if (set(rule, 'const') && value !== rule.const) return `value must equal ${rule.const}`;
    const length = set(rule, 'minLen') || set(rule, 'maxLen') || set(rule, 'len') ? [...value].length : 0;
    if (set(rule, 'len') && length !== Number(rule.len)) return `value length must be ${rule.len} characters`;
    if (set(rule, 'minLen') && length < Number(rule.minLen)) return `value length must be at least ${rule.minLen} characters`;
    if (set(rule, 'maxLen') && length > Number(rule.maxLen)) return `value length must be at most ${rule.maxLen} characters`;
    if (set(rule, 'minBytes') && Buffer.byteLength(value) < Number(rule.minBytes))
      return `value length must be at least ${rule.minBytes} bytes`;
    if (set(rule, 'maxBytes') && Buffer.byteLength(value) > Number(rule.maxBytes))
      return `value length must be at most ${rule.maxBytes} bytes`;
    if (set(rule, 'prefix') && !value.startsWith(rule.prefix)) return `value does not have prefix '${rule.prefix}'`;
    if (set(rule, 'suffix') && !value.endsWith(rule.suffix)) return `value does not have suffix '${rule.suffix}'`;
    if (set(rule, 'contains') && !value.includes(rule.contains)) return `value does not contain substring '${rule.contains}'`;
    if (set(rule, 'notContains') && value.includes(rule.notContains)) return `value contains substring '${rule.notContains}'`;
    if (rule.in.length > 0 && !rule.in.includes(value)) return `value must be in list [${rule.in.join(' ')}]`;
    if (rule.notIn.includes(value)) return `value must not be in list [${rule.notIn.join(' ')}]`;
    if (pattern !== undefined && !pattern.test(value)) return `value does not match regex pattern "${rule.pattern}"`;
    if (knownPattern !== undefined && !knownPattern.test(value)) return `value does not match regex pattern "${knownPattern.source}"`;
    return undefined;
  };
}

function bytesCheck(rule: Extract<FieldRules['type'], { case: 'bytes' }>['value']): ValueCheck {
  return (found) => {
    const value = found instanceof Uint8Array ? found : unwrapped(found);
    if (!(value instanceof Uint8Array)) return undefined;
    if (value.length === 0 && rule.ignoreEmpty) return undefined;
    if (set(rule, 'len') && value.length !== Number(rule.len)) return `value length must be ${rule.len} bytes`;
    if (set(rule, 'minLen') && value.length < Number(rule.minLen)) return `value length must be at least ${rule.minLen} bytes`;
    if (set(rule, 'maxLen') && value.length > Number(rule.maxLen)) return `value length must be at most ${rule.maxLen} bytes`;
    return undefined;
  };
}
