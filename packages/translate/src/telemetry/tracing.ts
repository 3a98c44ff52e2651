import { type MeshProxy, type MeshSnapshot, resolveHost, sidecarScope, telemetriesOf } from '@xebec/model';
import type { Tracing_HttpSchema } from '@xebec/protos/envoy/config/trace/v3/http_tracer';
import { OpenTelemetryConfigSchema } from '@xebec/protos/envoy/config/trace/v3/opentelemetry';
import { ZipkinConfig_CollectorEndpointVersion, ZipkinConfigSchema } from '@xebec/protos/envoy/config/trace/v3/zipkin';
import type { HttpConnectionManager_TracingSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { CustomTagSchema } from '@xebec/protos/envoy/type/tracing/v3/custom_tag';
import type { ExtensionProvider, TelemetryTracing } from '@xebec/schemas';
import { outboundCluster } from '../cluster/names.ts';
import { extension, type Fields } from '../envoy/any.ts';
import { type Mode, matchesMode } from './access-log.ts';

export type TracingFields = Fields<typeof HttpConnectionManager_TracingSchema>;
type CustomTag = Fields<typeof CustomTagSchema>;

export interface Tracing {
  /** Absent: the proxy neither samples nor reports. */
  readonly fields?: TracingFields;
  readonly useRequestIdForTraceSampling: boolean;
}

/** Percent of requests that are traced where nothing says otherwise. */
const DEFAULT_SAMPLING = 1;

/** Tracing of a proxy for one direction: Telemetry (mesh, namespace, workload) over the mesh's configuration. */
export function tracingOf(snapshot: MeshSnapshot, proxy: MeshProxy, mode: Mode): Tracing {
  const { mesh } = snapshot;
  let merged: TelemetryTracing = {};
  for (const telemetry of telemetriesOf(snapshot, proxy))
    for (const entry of telemetry.spec.tracing ?? []) if (matchesMode(entry.match?.mode, mode)) merged = { ...merged, ...entry };
  const useRequestId = merged.useRequestIdForTraceSampling ?? true;
  const named = merged.providers?.[0]?.name ?? mesh.defaultProviders?.tracing?.[0];
  const asked = named !== undefined || merged.randomSamplingPercentage !== undefined;
  if ((mesh.enableTracing === false && !asked) || merged.disableSpanReporting === true)
    return { useRequestIdForTraceSampling: useRequestId };
  const sampling = merged.randomSamplingPercentage ?? mesh.defaultConfig?.tracing?.sampling ?? DEFAULT_SAMPLING;
  const provider = providerOf(snapshot, proxy, named);
  return {
    useRequestIdForTraceSampling: useRequestId,
    fields: {
      clientSampling: { value: 100 },
      randomSampling: { value: sampling },
      overallSampling: { value: 100 },
      customTags: [
        ...(merged.enableIstioTags === false ? [] : [...DRY_RUN_TAGS, ...istioTags(proxy)]),
        ...customTags(merged.customTags ?? {}),
      ],
      ...(provider === undefined ? {} : { provider }),
    },
  };
}

const DRY_RUN_TAGS: CustomTag[] = ['allow', 'deny'].flatMap((action) => [
  dryRunTag(`istio.authorization.dry_run.${action}_policy.name`, `istio_dry_run_${action}_shadow_effective_policy_id`),
  dryRunTag(`istio.authorization.dry_run.${action}_policy.result`, `istio_dry_run_${action}_shadow_engine_result`),
]);

function dryRunTag(tag: string, key: string): CustomTag {
  return {
    tag,
    type: {
      case: 'metadata',
      value: {
        kind: { kind: { case: 'request', value: {} } },
        metadataKey: { key: 'envoy.filters.http.rbac', path: [{ segment: { case: 'key', value: key } }] },
      },
    },
  };
}

function literal(tag: string, value: string): CustomTag {
  return { tag, type: { case: 'literal', value: { value } } };
}

/** Canonical service, revision, mesh, cluster and namespace of the reporting workload. */
function istioTags(proxy: MeshProxy): CustomTag[] {
  const { labels } = proxy;
  return [
    literal('istio.canonical_revision', labels['service.istio.io/canonical-revision'] ?? labels.version ?? 'latest'),
    literal('istio.canonical_service', labels['service.istio.io/canonical-name'] ?? 'unknown'),
    literal('istio.cluster_id', proxy.clusterId),
    literal('istio.mesh_id', proxy.meshId),
    literal('istio.namespace', proxy.namespace),
  ];
}

function customTags(tags: NonNullable<TelemetryTracing['customTags']>): CustomTag[] {
  return Object.entries(tags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([tag, source]): CustomTag[] => {
      if (source.literal !== undefined) return [literal(tag, source.literal.value)];
      if (source.environment !== undefined)
        return [
          {
            tag,
            type: {
              case: 'environment',
              value: { name: source.environment.name, defaultValue: source.environment.defaultValue ?? '' },
            },
          },
        ];
      if (source.header !== undefined)
        return [
          { tag, type: { case: 'requestHeader', value: { name: source.header.name, defaultValue: source.header.defaultValue ?? '' } } },
        ];
      return [];
    });
}

function providerOf(snapshot: MeshSnapshot, proxy: MeshProxy, named: string | undefined): Fields<typeof Tracing_HttpSchema> | undefined {
  if (named !== undefined) {
    const provider = snapshot.mesh.extensionProviders?.find((candidate) => candidate.name === named);
    return provider === undefined ? undefined : fromExtension(snapshot, proxy, provider);
  }
  const address = snapshot.mesh.defaultConfig?.tracing?.zipkin?.address;
  if (address === undefined) return undefined;
  const colon = address.lastIndexOf(':');
  return zipkin(snapshot, proxy, colon < 0 ? address : address.slice(0, colon), colon < 0 ? 9411 : Number(address.slice(colon + 1)), {});
}

function fromExtension(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  provider: ExtensionProvider,
): Fields<typeof Tracing_HttpSchema> | undefined {
  if (provider.zipkin !== undefined) return zipkin(snapshot, proxy, provider.zipkin.service, provider.zipkin.port, provider.zipkin);
  if (provider.opentelemetry !== undefined) {
    const cluster = clusterOf(snapshot, proxy, provider.opentelemetry.service, provider.opentelemetry.port);
    if (cluster === undefined) return undefined;
    return extension('envoy.tracers.opentelemetry', OpenTelemetryConfigSchema, {
      grpcService: { targetSpecifier: { case: 'envoyGrpc', value: { clusterName: cluster.name, authority: cluster.hostname } } },
      serviceName: `${proxy.labels['service.istio.io/canonical-name'] ?? proxy.labels.app ?? proxy.name}.${proxy.namespace}`,
    });
  }
  return undefined;
}

function zipkin(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  service: string,
  port: number,
  options: { enable64bitTraceId?: boolean | undefined; path?: string | undefined },
): Fields<typeof Tracing_HttpSchema> | undefined {
  const cluster = clusterOf(snapshot, proxy, service, port);
  if (cluster === undefined) return undefined;
  return extension('envoy.tracers.zipkin', ZipkinConfigSchema, {
    collectorCluster: cluster.name,
    collectorEndpoint: options.path ?? '/api/v2/spans',
    collectorHostname: cluster.hostname,
    collectorEndpointVersion: ZipkinConfig_CollectorEndpointVersion.HTTP_JSON,
    traceId128bit: options.enable64bitTraceId !== true,
    // Client and server have spans of their own, as OpenTelemetry does it.
    sharedSpanContext: false,
  });
}

/** A proxy refuses a listener whose tracer names a cluster that it does not have: so none for an unknown service. */
function clusterOf(snapshot: MeshSnapshot, proxy: MeshProxy, service: string, port: number) {
  const host = service.slice(service.indexOf('/') + 1);
  const scope = sidecarScope(snapshot, proxy);
  const candidates = [
    host,
    resolveHost(host, snapshot.rootNamespace, snapshot.domain),
    `${host}.svc.${snapshot.domain}`,
    `${host}.${snapshot.domain}`,
  ];
  const found = candidates.map((name) => scope.service(name)).find((candidate) => candidate !== undefined);
  if (found === undefined || !found.ports.some((candidate) => candidate.number === port)) return undefined;
  return { name: outboundCluster(port, undefined, found.hostname), hostname: found.hostname };
}
