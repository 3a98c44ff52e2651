import { err, ok, type Result, type Violation } from '@xebec/core';
import { formatValue, type TypedValue, type ValueType } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { z } from 'zod';
import type { AdapterDefinition } from '../adapter.ts';
import { milliseconds, parseParams } from '../params.ts';
import { protoObject } from '../proto-object.ts';
import { type Contains, compileEntries, ENTRY_TYPES } from './entries.ts';
import { ListProvider } from './list-provider.ts';

const INVALID_ARGUMENT = 3;
const PERMISSION_DENIED = 7;
const MIN_REFRESH_MS = 1_000;
/** What can stand on a list. */
const LISTED_TYPES: ReadonlySet<ValueType> = new Set(['STRING', 'IP_ADDRESS', 'EMAIL_ADDRESS', 'URI', 'DNS_NAME']);

const params = protoObject({
  providerUrl: z.string().default(''),
  refreshInterval: milliseconds.default(60_000),
  ttl: milliseconds.default(300_000),
  cachingInterval: milliseconds.default(300_000),
  cachingUseCount: z.int().default(10_000),
  overrides: z.array(z.string()).max(100_000).default([]),
  entryType: z.union([z.enum(ENTRY_TYPES), z.literal([0, 1, 2, 3])]).default('STRINGS'),
  blacklist: z.boolean().default(false),
});

type Params = z.output<typeof params>;

function entryTypeOf({ entryType }: Params): (typeof ENTRY_TYPES)[number] {
  return typeof entryType === 'number' ? (ENTRY_TYPES[entryType] ?? 'STRINGS') : entryType;
}

function read(raw: unknown): Result<{ readonly params: Params; readonly overrides: Contains }> {
  const parsed = parseParams(params, raw);
  if (!parsed.ok) return parsed;
  const { providerUrl, refreshInterval, ttl, cachingUseCount, overrides } = parsed.value;
  const violations: Violation[] = [];
  const problem = providerUrl === '' ? undefined : urlProblem(providerUrl);
  if (problem !== undefined) violations.push({ path: 'spec.params.providerUrl', message: problem });
  if (providerUrl !== '' && refreshInterval < MIN_REFRESH_MS)
    violations.push({ path: 'spec.params.refreshInterval', message: `must be at least 1s, it is ${refreshInterval}ms` });
  if (providerUrl !== '' && ttl < refreshInterval)
    violations.push({
      path: 'spec.params.ttl',
      message: `must be at least refreshInterval: ${ttl}ms is shorter than ${refreshInterval}ms`,
    });
  if (cachingUseCount < 0) violations.push({ path: 'spec.params.cachingUseCount', message: `${cachingUseCount} is below 0` });
  const contains = compileEntries(entryTypeOf(parsed.value), overrides, (i) => `spec.params.overrides[${i}]`);
  if (!contains.ok) violations.push(...contains.error);
  return contains.ok && violations.length === 0 ? ok({ params: parsed.value, overrides: contains.value }) : err(violations);
}

function urlProblem(text: string): string | undefined {
  const hint = 'write http://host/path, https://host/path or file:///path';
  if (!URL.canParse(text)) return `is no URL: ${hint}`;
  const { protocol, host, pathname } = new URL(text);
  if (!['http:', 'https:', 'file:'].includes(protocol)) return `cannot be read by ${protocol.slice(0, -1)}: ${hint}`;
  if (protocol === 'file:' && (host !== '' || pathname === '/')) return `names no file of this machine: ${hint}`;
  return undefined;
}

/** Lets pass what is on a list, or, as a blacklist, what is not. The list stands in the params, at a URL, or in both. */
export const list: AdapterDefinition = {
  name: 'listchecker',
  aliases: ['list'],
  templates: ['listentry', 'apikey'],
  check(raw) {
    const checked = read(raw);
    return checked.ok ? [] : checked.error;
  },
  configure(raw, { clock, logger }) {
    const configured = read(raw);
    if (!configured.ok) return configured;
    const { params: settings, overrides } = configured.value;
    const { providerUrl, refreshInterval, ttl, cachingInterval, cachingUseCount, blacklist } = settings;
    let provided: Contains | undefined;
    const provider =
      providerUrl === ''
        ? undefined
        : new ListProvider({
            url: providerUrl,
            refreshMs: refreshInterval,
            ttlMs: ttl,
            clock,
            logger,
            install: (lines) => {
              const entries = entryTypeOf(settings) === 'IP_ADDRESSES' ? addressesOf(lines) : lines;
              const contains = compileEntries(entryTypeOf(settings), entries, (i) => `line ${i + 1}`);
              if (!contains.ok) return contains.error.map(({ path, message }) => `${path}: ${message}`)[0] ?? 'it is not readable';
              provided = contains.value;
              return undefined;
            },
            drop: () => {
              provided = undefined;
            },
          });
    const decide = (value: TypedValue | undefined) => {
      const shown = value === undefined ? '' : formatValue(value);
      const answer = (code: number, message: string) => ({
        code,
        message,
        validDurationMs: cachingInterval,
        validUseCount: cachingUseCount,
      });
      // Whoever asks while there is no list must not be let in, nor kept out of a blacklist, by half of it.
      if (provider !== undefined && provided === undefined) throw new Error(`there is no list: ${provider.problem ?? 'its ttl is over'}`);
      if (value === undefined || !LISTED_TYPES.has(value.type))
        return answer(INVALID_ARGUMENT, `${shown} is not a valid string or IP address`);
      const listed = overrides(value);
      const found = listed === false ? (provided?.(value) ?? false) : listed;
      if (found === undefined) return answer(INVALID_ARGUMENT, `${shown} is not a valid IP address`);
      if (found === !blacklist) return answer(0, '');
      return blacklist ? answer(PERMISSION_DENIED, `${shown} is blacklisted`) : answer(PERMISSION_DENIED, `${shown} is not whitelisted`);
    };
    let started = provider === undefined;
    return ok({
      check: (instance) => {
        const value = entryOf(instance);
        if (started || provider === undefined) return decide(value);
        return provider.first.then(() => {
          started = true;
          return decide(value);
        });
      },
      close: () => provider?.close(),
    });
  },
};

/** Addresses come a line each or, as release 1.4 read them, as YAML with the key `whitelist`. */
function addressesOf(lines: readonly string[]): readonly string[] {
  if (!lines.some((line) => /^whitelist\s*:/.test(line))) return lines;
  return lines.flatMap((line) =>
    line
      .replace(/#.*|^whitelist\s*:|^-\s/g, '')
      .split(/[\s,[\]"']+/)
      .filter((entry) => entry !== ''),
  );
}

/** A listentry's value or an apikey's key. */
function entryOf({ fields }: InstanceValue): TypedValue | undefined {
  const value = fields['value'] ?? fields['apiKey'];
  return value !== undefined && 'type' in value ? value : undefined;
}
