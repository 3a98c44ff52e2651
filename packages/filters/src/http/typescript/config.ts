import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { basename, extname, resolve } from 'node:path';
import { errorText, XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import {
  TypeScript_FailureMode as FailureMode,
  TypeScriptPerRouteSchema,
  TypeScriptSchema,
} from '@xebec/protos/xebec/filters/http/typescript/v1/typescript';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, HttpFilter, HttpFilterDefinition } from '../../http-filter.ts';
import { type TypeScriptConfig, TypeScriptFilter } from './filter.ts';
import { LiveFile } from './live-file.ts';

const name = 'xebec.filters.http.typescript';
const DEFAULT_TIMEOUT_MS = 1000;
/** More names than this are a mistake, such as one of each user. */
const MAX_CUSTOM_COUNTERS = 200;

interface PerRoute {
  readonly disabled: boolean;
  /** Undefined leaves the filter's own. */
  readonly config: unknown;
}

const pass: HttpFilter = {};

/** Runs a user's own `.ts` file as an HTTP filter, in a thread of its own. */
export const typeScriptDefinition: HttpFilterDefinition = {
  name,
  typeNames: [TypeScriptSchema.typeName, TypeScriptPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(TypeScriptSchema, bytes);
    const path = checkFile(proto.path);
    const label = basename(path, extname(path)).replaceAll(/[^A-Za-z0-9_-]/g, '_');
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const counter = (what: string) => scope.counter(`typescript.${label}.${what}`);
    const file = new LiveFile(path, proto.config ?? {}, context, {
      reloads: counter('reloads'),
      reloadFailures: counter('reload_failures'),
      restarts: counter('restarts'),
      watchdog: counter('watchdog_ended'),
      stray: counter('stray_errors'),
    });
    const config: TypeScriptConfig = {
      context,
      file,
      failOpen: proto.failureMode === FailureMode.OPEN,
      timeoutMs: optionalDurationMs(proto.timeout) ?? DEFAULT_TIMEOUT_MS,
      stats: {
        calls: counter('calls'),
        errors: counter('errors'),
        timeouts: counter('timeouts'),
        failedOpen: counter('failed_open'),
        failedClosed: counter('failed_closed'),
        replies: counter('replies'),
      },
      custom: customCounters(context, counter),
    };
    return {
      create(callbacks) {
        const perRoute = callbacks.perRouteConfig(context.filterName) as PerRoute | undefined; // what compilePerRoute below returned
        if (perRoute?.disabled === true) return pass;
        const id = perRoute?.config === undefined ? 0 : file.configId(perRoute.config);
        return new TypeScriptFilter(config, id, callbacks);
      },
      close: () => file.close(),
    };
  },
  compilePerRoute(bytes): PerRoute {
    const { disabled, config } = decodeConfig(TypeScriptPerRouteSchema, bytes);
    return { disabled, config };
  },
};

/** The file's absolute path; throws XebecError `E_FILTER_CONFIG` when it cannot be read or is not TypeScript that types can be taken off. */
function checkFile(path: string): string {
  if (path === '') throw new XebecError('E_FILTER_CONFIG', `${name}: path is missing`);
  const full = resolve(path);
  let text: string;
  try {
    text = readFileSync(full, 'utf8');
  } catch (cause) {
    throw new XebecError('E_FILTER_CONFIG', `${name}: path "${path}" cannot be read: ${errorText(cause)}`, { cause });
  }
  try {
    stripTypeScriptTypes(text, { sourceUrl: full });
  } catch (cause) {
    throw new XebecError('E_FILTER_CONFIG', `${name}: ${full} is not TypeScript: ${errorText(cause)}`, { cause });
  }
  return full;
}

function customCounters(context: FilterContext, counter: (what: string) => ReturnType<FilterContext['stats']['counter']>) {
  const made = new Map<string, ReturnType<typeof counter>>();
  const other = counter('custom_overflow');
  return (custom: string) => {
    const known = made.get(custom);
    if (known !== undefined) return known;
    if (made.size >= MAX_CUSTOM_COUNTERS) return other;
    if (made.size === MAX_CUSTOM_COUNTERS - 1)
      context.logger.warn({ filter: context.filterName }, 'a filter file counts under too many names');
    const fresh = counter(`custom.${custom}`);
    made.set(custom, fresh);
    return fresh;
  };
}
