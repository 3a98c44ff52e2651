import { type Clock, type Logger, type Random, XebecError } from '@xebec/core';
import type { NodeInfo } from '@xebec/filters';
import { fractionOf } from '@xebec/matching';
import type { Tracing } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { Tracing_Http } from '@xebec/protos/envoy/config/trace/v3/http_tracer';
import { OpenTelemetryConfigSchema } from '@xebec/protos/envoy/config/trace/v3/opentelemetry';
import { type ZipkinConfig, ZipkinConfig_TraceContextOption, ZipkinConfigSchema } from '@xebec/protos/envoy/config/trace/v3/zipkin';
import type { HttpConnectionManager } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { UuidRequestIdConfigSchema } from '@xebec/protos/envoy/extensions/request_id/uuid/v3/uuid';
import {
  type Counter,
  compileFormat,
  createTracer,
  type FinishedSpan,
  type FormatContext,
  type FormatEnvironment,
  type Sampling,
  type StatsScope,
  type TraceReason,
  type Tracer,
} from '@xebec/telemetry';
import { typeNameOf, unpack } from '../config/unpack.ts';
import { type HttpTarget, httpTarget } from '../http/http-target.ts';
import { compileCustomTags, type TagValue } from './custom-tags.ts';
import { openTelemetryExporter } from './opentelemetry.ts';
import type { ZipkinReporters } from './zipkin-reporters.ts';

/** One connection manager's tracing as its streams read it. */
export interface HttpTracing {
  /** Egress makes client spans and names them by the route; ingress makes server spans that take the client's name. */
  readonly egress: boolean;
  /** Every upstream try gets a span of its own below the request's. */
  readonly spawnUpstreamSpan: boolean;
  readonly sampling: Sampling;
  /** False: the request id neither decides nor remembers; whatever carries no decision is traced. */
  readonly useRequestId: boolean;
  /** Whether the decision is written into the request id. */
  readonly packReason: boolean;
  /** Undefined: decisions are made and passed on, but there is nobody to report to. */
  readonly tracer: Tracer | undefined;
  readonly decided: Readonly<Record<TraceReason, Counter>>;
  /** The name of the request's span and of each try's, where the configuration has a format for it. */
  readonly operation: RouteTracing['operation'];
  readonly upstreamOperation: RouteTracing['upstreamOperation'];
  /** What a route says instead; compiled once for each. */
  ofRoute(tracing: Tracing): RouteTracing;
}

/** A route's own tracing, over the connection manager's. */
export interface RouteTracing {
  readonly sampling: Sampling;
  readonly customTags: ReadonlyMap<string, TagValue> | undefined;
  readonly operation: ((context: FormatContext) => string) | undefined;
  readonly upstreamOperation: ((context: FormatContext) => string) | undefined;
}

export interface TracingEnvironment {
  /** The proxy's own; empty when it is not known. */
  readonly zone: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly node: NodeInfo;
  readonly formatEnvironment: FormatEnvironment;
  readonly reporters: ZipkinReporters;
}

export interface CompiledTracing {
  readonly tracing: HttpTracing;
  close(): void;
}

const defaultPathTagLength = 256;

/** Compiles `tracing` of a connection manager; undefined without one. Throws XebecError `E_CONFIG` naming the field. */
export function compileHttpTracing(
  proto: HttpConnectionManager,
  direction: 'inbound' | 'outbound' | 'unspecified',
  scope: StatsScope,
  environment: TracingEnvironment,
  where: string,
): CompiledTracing | undefined {
  const config = proto.tracing;
  if (config === undefined) return undefined;
  const place = `${where}: tracing`;
  const requestId = proto.requestIdExtension?.typedConfig;
  const uuid =
    requestId === undefined || typeNameOf(requestId) !== UuidRequestIdConfigSchema.typeName
      ? undefined
      : unpack(requestId, UuidRequestIdConfigSchema, `${where}: request_id_extension`);
  const customTags = compileCustomTags(config.customTags, environment.formatEnvironment, place);
  const zipkin = openProvider(config.provider, config.maxPathTagLength ?? defaultPathTagLength, customTags, environment, place);
  const stats = scope.scope('tracing');
  const format = (source: string): RouteTracing['operation'] =>
    source === '' ? undefined : compileFormat(source, { environment: environment.formatEnvironment, omitEmpty: true }).format;
  const routes = new WeakMap<Tracing, RouteTracing>();
  return {
    tracing: {
      egress: direction === 'outbound',
      spawnUpstreamSpan: config.spawnUpstreamSpan ?? false,
      sampling: {
        client: percent(config.clientSampling?.value),
        random: percent(config.randomSampling?.value),
        overall: percent(config.overallSampling?.value),
      },
      useRequestId: uuid?.useRequestIdForTraceSampling ?? true,
      packReason: uuid?.packTraceReason ?? true,
      tracer: zipkin?.tracer,
      operation: format(config.operation),
      upstreamOperation: format(config.upstreamOperation),
      ofRoute(own) {
        const known = routes.get(own);
        if (known !== undefined) return known;
        const compiled: RouteTracing = {
          sampling: routeSampling(own),
          customTags:
            own.customTags.length === 0
              ? undefined
              : compileCustomTags(own.customTags, environment.formatEnvironment, `${where}: tracing of a route`),
          operation: format(own.operation),
          upstreamOperation: format(own.upstreamOperation),
        };
        routes.set(own, compiled);
        return compiled;
      },
      decided: {
        none: stats.counter('not_traceable'),
        sampled: stats.counter('random_sampling'),
        forced: stats.counter('service_forced'),
        client: stats.counter('client_enabled'),
      },
    },
    close: () => zipkin?.close(),
  };
}

/** A route's own sampling over the connection manager's; what it leaves out is 100 %. */
function routeSampling({ clientSampling, randomSampling, overallSampling }: Tracing): Sampling {
  const share = (value: typeof clientSampling): number => (value === undefined ? 1 : fractionOf(value));
  return { client: share(clientSampling), random: share(randomSampling), overall: share(overallSampling) };
}

function openProvider(
  provider: Tracing_Http | undefined,
  maxPathTagLength: number,
  customTags: ReadonlyMap<string, TagValue>,
  environment: TracingEnvironment,
  where: string,
): { readonly tracer: Tracer; close(): void } | undefined {
  if (provider === undefined) return undefined;
  const any = provider.configType.value;
  if (any !== undefined && typeNameOf(any) === OpenTelemetryConfigSchema.typeName) {
    const config = unpack(any, OpenTelemetryConfigSchema, `${where}.provider`);
    // Without an exporter nothing is reported, and the context still goes on.
    const exporting = config.grpcService !== undefined || config.httpService !== undefined;
    const handle = exporting ? openTelemetryExporter(config, environment.reporters.environment, `${where}.provider`) : undefined;
    const tracer = createTracer({
      clock: environment.clock,
      random: environment.random,
      report: (span) => handle?.report(span),
      propagation: 'w3c',
      namesByDirection: true,
      nodeId: environment.node.id,
      zone: environment.zone,
      traceId128Bit: true,
      sharedSpanContext: false,
      maxPathTagLength,
      customTags,
    });
    return { tracer, close: () => handle?.release() };
  }
  if (any !== undefined && typeNameOf(any) !== ZipkinConfigSchema.typeName) {
    // Traffic matters more than its traces: a listener is not refused for them.
    environment.logger.warn(
      { tracer: provider.name },
      `${where}: only envoy.tracers.zipkin and envoy.tracers.opentelemetry are supported; requests are not traced`,
    );
    return undefined;
  }
  const config = unpack(any, ZipkinConfigSchema, `${where}.provider`);
  const handle = environment.reporters.acquire(zipkinCollector(config, `${where}.provider`));
  const report: (span: FinishedSpan) => void = handle.report;
  const tracer = createTracer({
    clock: environment.clock,
    random: environment.random,
    report,
    propagation: config.traceContextOption === ZipkinConfig_TraceContextOption.USE_B3_WITH_W3C_PROPAGATION ? 'b3-and-w3c' : 'b3',
    nodeId: environment.node.id,
    zone: environment.zone,
    traceId128Bit: config.traceId128bit,
    sharedSpanContext: config.sharedSpanContext ?? true,
    maxPathTagLength,
    customTags,
  });
  return { tracer, close: () => handle.release() };
}

/** A collector service goes before the older fields, as in Envoy. */
function zipkinCollector(config: ZipkinConfig, where: string): HttpTarget {
  if (config.collectorService !== undefined) return httpTarget(config.collectorService, `${where}.collector_service`);
  if (config.collectorCluster === '') throw new XebecError('E_CONFIG', `${where}: collector_cluster is empty`);
  if (config.collectorEndpoint === '') throw new XebecError('E_CONFIG', `${where}: collector_endpoint is empty`);
  return {
    cluster: config.collectorCluster,
    scheme: 'http',
    authority: config.collectorHostname === '' ? config.collectorCluster : config.collectorHostname,
    path: config.collectorEndpoint,
    timeoutMs: undefined,
    headers: [],
  };
}

function percent(value: number | undefined): number {
  return value === undefined ? 1 : value / 100;
}
