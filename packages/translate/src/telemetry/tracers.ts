import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { HeaderValueOption_HeaderAppendAction } from '@xebec/protos/envoy/config/core/v3/base';
import { DatadogConfigSchema } from '@xebec/protos/envoy/config/trace/v3/datadog';
import type { Tracing_HttpSchema } from '@xebec/protos/envoy/config/trace/v3/http_tracer';
import { OpenTelemetryConfigSchema } from '@xebec/protos/envoy/config/trace/v3/opentelemetry';
import { SkyWalkingConfigSchema } from '@xebec/protos/envoy/config/trace/v3/skywalking';
import {
  ZipkinConfig_CollectorEndpointVersion,
  ZipkinConfig_TraceContextOption,
  ZipkinConfigSchema,
} from '@xebec/protos/envoy/config/trace/v3/zipkin';
import { DynatraceResourceDetectorConfigSchema } from '@xebec/protos/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/dynatrace_resource_detector';
import { EnvironmentResourceDetectorConfigSchema } from '@xebec/protos/envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector';
import { DynatraceSamplerConfigSchema } from '@xebec/protos/envoy/extensions/tracers/opentelemetry/samplers/v3/dynatrace_sampler';
import type { ExtensionProvider } from '@xebec/schemas';
import { extension, type Fields, typedExtension } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { grpcService, type ProviderService, providerService } from './provider-service.ts';

export type TracerFields = Fields<typeof Tracing_HttpSchema>;
type OpenTelemetry = NonNullable<ExtensionProvider['opentelemetry']>;
type Header = NonNullable<NonNullable<OpenTelemetry['http']>['headers']>[number];

/** A tracer and what it changes in how a connection manager traces. */
export interface Tracer {
  readonly provider: TracerFields;
  /** 0: no limit of its own. */
  readonly maxTagLength: number;
  /** Whether calls to upstreams get a span of their own. */
  readonly childSpan: boolean;
  /** Whether it has a sampler of its own. */
  readonly samples: boolean;
}

/** The tracer of a provider; undefined when it is none, or its service is not there. */
export function tracerOf(snapshot: MeshSnapshot, proxy: MeshProxy, provider: ExtensionProvider): Tracer | undefined {
  const childSpan = proxy.type === 'router';
  const { zipkin, opentelemetry, datadog, skywalking } = provider;
  const settings = zipkin ?? opentelemetry ?? datadog ?? skywalking;
  const service = settings === undefined ? undefined : providerService(snapshot, proxy, settings.service, settings.port);
  if (service === undefined) return undefined;
  if (zipkin !== undefined)
    return { provider: zipkinTracer(service, zipkin), maxTagLength: zipkin.maxTagLength ?? 0, childSpan, samples: false };
  if (opentelemetry !== undefined) return openTelemetryTracer(snapshot, proxy, service, opentelemetry, childSpan);
  if (datadog !== undefined)
    return {
      provider: extension('envoy.tracers.datadog', DatadogConfigSchema, {
        collectorCluster: service.cluster,
        serviceName: proxy.cluster,
        collectorHostname: service.hostname,
      }),
      maxTagLength: datadog.maxTagLength ?? 0,
      childSpan,
      samples: false,
    };
  return {
    provider: extension('envoy.tracers.skywalking', SkyWalkingConfigSchema, { grpcService: grpcService(service) }),
    maxTagLength: 0,
    childSpan: true,
    samples: false,
  };
}

/** The tracer of ProxyConfig's `zipkin.address`, for proxies of ours; Envoy has it from its bootstrap. */
export function meshTracer(snapshot: MeshSnapshot, proxy: MeshProxy): TracerFields | undefined {
  const address = snapshot.mesh.defaultConfig?.tracing?.zipkin?.address;
  if (address === undefined || proxy.flavour !== 'xebec') return undefined;
  const colon = address.lastIndexOf(':');
  const host = colon < 0 ? address : address.slice(0, colon);
  const service = providerService(snapshot, proxy, host, colon < 0 ? 9411 : Number(address.slice(colon + 1)));
  return service === undefined ? undefined : zipkinTracer(service, {});
}

function zipkinTracer(service: ProviderService, options: Partial<NonNullable<ExtensionProvider['zipkin']>>): TracerFields {
  const path = options.path === undefined || options.path === '' ? '/api/v2/spans' : options.path;
  return extension('envoy.tracers.zipkin', ZipkinConfigSchema, {
    collectorService: {
      httpUri: {
        uri: `http://${service.hostname}${path}`,
        httpUpstreamType: { case: 'cluster', value: service.cluster },
        timeout: duration(options.timeout ?? '5s'),
      },
      requestHeadersToAdd: headers(options.headers),
    },
    collectorEndpointVersion: ZipkinConfig_CollectorEndpointVersion.HTTP_JSON,
    traceId128bit: options.enable64bitTraceId !== true,
    // Client and server have spans of their own, as OpenTelemetry does it.
    sharedSpanContext: false,
    traceContextOption:
      options.traceContextOption === 'USE_B3_WITH_W3C_PROPAGATION'
        ? ZipkinConfig_TraceContextOption.USE_B3_WITH_W3C_PROPAGATION
        : ZipkinConfig_TraceContextOption.USE_B3,
  });
}

function openTelemetryTracer(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  service: ProviderService,
  settings: OpenTelemetry,
  childSpan: boolean,
): Tracer | undefined {
  const semantic = settings.serviceAttributeEnrichment === 'OTEL_SEMANTIC_CONVENTIONS';
  const { http, grpc, resourceDetectors: detectors, dynatraceSampler } = settings;
  const sampler = dynatraceSampler === undefined ? undefined : samplerOf(snapshot, proxy, service, settings);
  // A sampler that cannot be had would leave everything sampled.
  if (dynatraceSampler !== undefined && sampler === undefined) return undefined;
  return {
    provider: extension('envoy.tracers.opentelemetry', OpenTelemetryConfigSchema, {
      serviceName: semantic ? semanticServiceName(proxy) : proxy.cluster,
      ...(http === undefined
        ? {
            grpcService: {
              ...grpcService(service),
              ...(grpc?.timeout === undefined ? {} : { timeout: duration(grpc.timeout) }),
              initialMetadata: (grpc?.initialMetadata ?? []).map(({ name, value }) => ({ key: name, value: value ?? '' })),
            },
          }
        : { httpService: httpService(service, http.path, http) }),
      resourceDetectors: [
        ...(detectors?.environment !== undefined || (semantic && detectors?.environment === undefined && detectors?.dynatrace === undefined)
          ? [ENVIRONMENT]
          : []),
        ...(detectors?.dynatrace === undefined ? [] : [DYNATRACE]),
        ...(semantic && detectors?.environment === undefined && detectors?.dynatrace !== undefined ? [ENVIRONMENT] : []),
      ],
      ...(sampler === undefined ? {} : { sampler }),
    }),
    maxTagLength: settings.maxTagLength ?? 0,
    childSpan,
    samples: sampler !== undefined,
  };
}

const ENVIRONMENT = typedExtension('envoy.tracers.opentelemetry.resource_detectors.environment', EnvironmentResourceDetectorConfigSchema);
const DYNATRACE = typedExtension('envoy.tracers.opentelemetry.resource_detectors.dynatrace', DynatraceResourceDetectorConfigSchema);

function samplerOf(snapshot: MeshSnapshot, proxy: MeshProxy, exporter: ProviderService, settings: OpenTelemetry) {
  const { dynatraceSampler: sampler, http } = settings;
  const own = sampler?.httpService;
  const service = own === undefined ? exporter : providerService(snapshot, proxy, own.service, own.port);
  const request = own === undefined ? http : own.http;
  if (sampler === undefined || service === undefined || request === undefined) return undefined;
  const path = own === undefined ? 'api/v2/samplingConfiguration' : own.http.path;
  return typedExtension('envoy.tracers.opentelemetry.samplers.dynatrace', DynatraceSamplerConfigSchema, {
    tenant: sampler.tenant,
    clusterId: sampler.clusterId,
    rootSpansPerMinute: sampler.rootSpansPerMinute ?? 0,
    httpService: httpService(service, path, request),
  });
}

function httpService(service: ProviderService, path: string, { timeout, headers: given }: NonNullable<OpenTelemetry['http']>) {
  return {
    httpUri: {
      uri: `${service.hostname}/${path.replace(/^\/+/, '')}`,
      httpUpstreamType: { case: 'cluster' as const, value: service.cluster },
      ...(timeout === undefined ? {} : { timeout: duration(timeout) }),
    },
    requestHeadersToAdd: headers(given),
  };
}

/** Values that come from the control plane's environment are not read: it is not the place for another's secrets. */
function headers(given: readonly Header[] | undefined) {
  return (given ?? []).map(({ name, value }) => ({
    header: { key: name, value: value ?? '' },
    appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
  }));
}

/** The name of the service by OpenTelemetry's conventions for Kubernetes. */
function semanticServiceName(proxy: MeshProxy): string {
  const candidates = [
    proxy.annotations['resource.opentelemetry.io/service.name'],
    proxy.labels['app.kubernetes.io/instance'],
    proxy.labels['app.kubernetes.io/name'],
    proxy.metadata['WORKLOAD_NAME'],
    proxy.name,
  ];
  return candidates.find((name): name is string => typeof name === 'string' && name !== '') ?? 'unknown_service';
}
