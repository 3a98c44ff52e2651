import { fromBinary } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import { type AccessLogFilter, type ComparisonFilter, ComparisonFilter_Op } from '@xebec/protos/envoy/config/accesslog/v3/accesslog';
import type { HeaderMatcher } from '@xebec/protos/envoy/config/route/v3/route_components';
import { AccessLogType } from '@xebec/protos/envoy/data/accesslog/v3/accesslog';
import { ExpressionFilterSchema } from '@xebec/protos/envoy/extensions/access_loggers/filters/cel/v3/cel';
import type { MetadataMatcher } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import { FractionalPercent_DenominatorType as Denominator } from '@xebec/protos/envoy/type/v3/percent';
import type { FormatContext } from '../format/context.ts';
import { grpcStatusOf } from '../format/grpc-status-of.ts';
import { compileCondition } from './condition.ts';

export type LogPredicate = (context: FormatContext) => boolean;

/** Matchers of the layer above; the data plane passes `compileHeaderLookup` and `compileMetadataMatcher`. */
export interface FilterMatchers {
  header(matcher: HeaderMatcher): (lookup: (name: string) => string | readonly string[] | undefined) => boolean;
  metadata(matcher: MetadataMatcher): (lookup: (filter: string) => Readonly<Record<string, unknown>> | undefined) => boolean;
  /** In [0, 1), for runtime filters. */
  random(): number;
  /** A value of the runtime, asked for with each comparison; undefined where it has none. */
  runtime?(key: string): number | undefined;
}

/** Compiles `envoy.config.accesslog.v3.AccessLogFilter`; throws XebecError `E_ACCESS_LOG` for one that is not supported. */
export function compileAccessLogFilter(filter: AccessLogFilter, matchers: FilterMatchers): LogPredicate {
  const specifier = filter.filterSpecifier;
  switch (specifier.case) {
    case 'statusCodeFilter': {
      const compare = comparison(specifier.value.comparison, matchers);
      return ({ info }) => compare(info.responseCode);
    }
    case 'durationFilter': {
      const compare = comparison(specifier.value.comparison, matchers);
      return ({ info }) => compare(Math.max(0, info.durationMs));
    }
    case 'notHealthCheckFilter':
      return (context) => context.healthCheck !== true;
    case 'traceableFilter':
      return (context) => context.traced === true;
    case 'runtimeFilter': {
      const percent = specifier.value.percentSampled;
      const whole = percent?.denominator === Denominator.MILLION ? 1e6 : percent?.denominator === Denominator.TEN_THOUSAND ? 1e4 : 100;
      const share = percent === undefined ? 0 : percent.numerator / whole;
      const { runtimeKey } = specifier.value;
      return () => {
        const set = runtimeKey === '' ? undefined : matchers.runtime?.(runtimeKey);
        return matchers.random() < (set === undefined ? share : set / whole);
      };
    }
    case 'andFilter': {
      const all = specifier.value.filters.map((part) => compileAccessLogFilter(part, matchers));
      return (context) => all.every((part) => part(context));
    }
    case 'orFilter': {
      const any = specifier.value.filters.map((part) => compileAccessLogFilter(part, matchers));
      return (context) => any.some((part) => part(context));
    }
    case 'headerFilter': {
      if (specifier.value.header === undefined) throw new XebecError('E_ACCESS_LOG', 'header_filter has no header');
      const matches = matchers.header(specifier.value.header);
      return ({ request }) => matches((name) => requestValue(request, name));
    }
    case 'responseFlagFilter': {
      const wanted = new Set<string>(specifier.value.flags);
      if (wanted.size === 0) return ({ info }) => info.responseFlags.size > 0;
      return ({ info }) => [...info.responseFlags].some((flag) => wanted.has(flag));
    }
    case 'grpcStatusFilter': {
      const wanted = new Set<number>(specifier.value.statuses);
      return (context) => wanted.has(grpcStatusIn(context)) !== specifier.value.exclude;
    }
    case 'metadataFilter': {
      const { matcher, matchIfKeyNotFound } = specifier.value;
      if (matcher === undefined) return () => true;
      const matches = matchers.metadata(matcher);
      const keys = matcher.path.map((part) => part.segment.value ?? '');
      return ({ info }) => {
        let value: unknown = info.dynamicMetadata.get(matcher.filter);
        for (const key of keys) value = typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
        return value === undefined ? (matchIfKeyNotFound ?? true) : matches((name) => info.dynamicMetadata.get(name));
      };
    }
    case 'logTypeFilter': {
      const wanted = new Set(specifier.value.types.map((type) => AccessLogType[type]));
      return (context) => wanted.has(context.accessLogType ?? 'NotSet') !== specifier.value.exclude;
    }
    case 'extensionFilter': {
      const { configType, name } = specifier.value;
      if (!configType.value?.typeUrl.endsWith('/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter')) {
        throw new XebecError('E_ACCESS_LOG', `access log filter "${name}" is not supported`);
      }
      return compileCondition(fromBinary(ExpressionFilterSchema, configType.value.value).expression);
    }
    default:
      throw new XebecError('E_ACCESS_LOG', 'access log filter has no specifier');
  }
}

function comparison(filter: ComparisonFilter | undefined, { runtime }: FilterMatchers): (value: number) => boolean {
  const { defaultValue = 0, runtimeKey = '' } = filter?.value ?? {};
  if (runtime !== undefined && runtimeKey !== '') {
    const { op = ComparisonFilter_Op.EQ } = filter ?? {};
    return (value) => compared(op, value, runtime(runtimeKey) ?? defaultValue);
  }
  return (value) => compared(filter?.op ?? ComparisonFilter_Op.EQ, value, defaultValue);
}

function compared(op: ComparisonFilter_Op, value: number, limit: number): boolean {
  switch (op) {
    case ComparisonFilter_Op.GE:
      return value >= limit;
    case ComparisonFilter_Op.LE:
      return value <= limit;
    case ComparisonFilter_Op.NE:
      return value !== limit;
    default:
      return value === limit;
  }
}

function requestValue(request: FormatContext['request'], name: string): string | readonly string[] | undefined {
  if (request === undefined) return undefined;
  const pseudo: Readonly<Record<string, string | undefined>> = {
    ':method': request.method,
    ':path': request.path,
    ':authority': request.authority,
    ':scheme': request.scheme,
  };
  if (name.startsWith(':')) return pseudo[name];
  const values = request.headers.filter((_, i) => i % 2 === 1 && request.headers[i - 1] === name);
  return values.length === 0 ? undefined : values;
}

function grpcStatusIn(context: FormatContext): number {
  for (const headers of [context.responseTrailers, context.response?.headers]) {
    if (headers === undefined) continue;
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === 'grpc-status') return Number(headers[i + 1]);
  }
  return grpcStatusOf(context.info.responseCode);
}
