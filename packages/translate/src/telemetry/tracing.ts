import { type MeshProxy, type MeshSnapshot, telemetriesOf } from '@xebec/model';
import type { HttpConnectionManager_TracingSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { ExtensionProvider, MeshProxyConfig, TelemetryTracing } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { type Mode, matchesMode, providerNamed } from './access-log.ts';
import { type CustomTag, configTags, DRY_RUN_TAGS, serviceTags, telemetryTags } from './span-tags.ts';
import { meshTracer, tracerOf } from './tracers.ts';

export type TracingFields = Fields<typeof HttpConnectionManager_TracingSchema>;

export interface Tracing {
  /** Absent: the proxy neither samples nor reports. */
  readonly fields?: TracingFields;
  readonly useRequestIdForTraceSampling: boolean;
}

/** Percent of requests that are traced where nothing says otherwise. */
const DEFAULT_SAMPLING = 1;
const OFF: Tracing = { useRequestIdForTraceSampling: true };

/** What Telemetry and the mesh's default provider say of one direction. */
interface Spec {
  readonly provider: ExtensionProvider | undefined;
  readonly merged: TelemetryTracing;
}

/** Tracing of a proxy for one direction: Telemetry (mesh, namespace, workload) over the mesh's configuration. */
export function tracingOf(snapshot: MeshSnapshot, proxy: MeshProxy, mode: Mode, config: MeshProxyConfig): Tracing {
  const spec = specOf(snapshot, proxy, mode);
  return spec === undefined ? meshTracing(snapshot, proxy, config) : telemetryTracing(snapshot, proxy, config, spec);
}

/** Without Telemetry the bootstrap names the tracer, and the mesh says how much is sampled. */
function meshTracing(snapshot: MeshSnapshot, proxy: MeshProxy, config: MeshProxyConfig): Tracing {
  if (snapshot.mesh.enableTracing === false) return OFF;
  const tracing = config.tracing;
  const own = tracing?.enableIstioTags === false ? [] : [...serviceTags(proxy), ...DRY_RUN_TAGS];
  const provider = meshTracer(snapshot, proxy);
  return {
    useRequestIdForTraceSampling: true,
    fields: {
      ...sampling(samplingOf(config)),
      customTags: sorted([...own, ...configTags(tracing?.customTags ?? {})]),
      ...pathLimit(tracing?.maxPathTagLength),
      ...(provider === undefined ? {} : { provider }),
    },
  };
}

function telemetryTracing(snapshot: MeshSnapshot, proxy: MeshProxy, config: MeshProxyConfig, { provider, merged }: Spec): Tracing {
  if (provider === undefined || merged.disableSpanReporting === true) return OFF;
  const tracer = tracerOf(snapshot, proxy, provider);
  if (tracer === undefined) return OFF;
  const own = merged.enableIstioTags === false ? [] : [...serviceTags(proxy), ...DRY_RUN_TAGS];
  const given = Object.entries(merged.customTags ?? {});
  const custom = given.length === 0 ? configTags(config.tracing?.customTags ?? {}) : telemetryTags(proxy, merged.customTags ?? {});
  return {
    useRequestIdForTraceSampling: merged.useRequestIdForTraceSampling ?? true,
    fields: {
      ...(tracer.childSpan ? { spawnUpstreamSpan: true } : {}),
      // A sampler of the tracer's own decides about every span.
      ...sampling(tracer.samples ? 100 : (merged.randomSamplingPercentage ?? samplingOf(config))),
      customTags: sorted([...own, ...custom]),
      ...pathLimit(tracer.maxTagLength === 0 ? config.tracing?.maxPathTagLength : tracer.maxTagLength),
      ...(merged.disableContextPropagation === true ? { noContextPropagation: true } : {}),
      provider: tracer.provider,
    },
  };
}

/** Undefined: neither Telemetry nor a default provider speaks of tracing. */
function specOf(snapshot: MeshSnapshot, proxy: MeshProxy, mode: Mode): Spec | undefined {
  const entries = telemetriesOf(snapshot, proxy).flatMap(({ spec }) => spec.tracing ?? []);
  const [fallback] = snapshot.mesh.defaultProviders?.tracing ?? [];
  if (entries.length === 0 && fallback === undefined) return undefined;
  let merged: TelemetryTracing = {};
  let name = fallback;
  for (const { providers, ...entry } of entries) {
    if (!matchesMode(entry.match?.mode, mode)) continue;
    merged = { ...merged, ...entry };
    name = providers?.[0]?.name ?? name;
  }
  return { provider: name === undefined ? undefined : providerNamed(snapshot, name), merged };
}

function samplingOf(config: MeshProxyConfig): number {
  const given = config.tracing?.sampling;
  return given === undefined || given === 0 ? DEFAULT_SAMPLING : given;
}

function sampling(percent: number): TracingFields {
  return {
    clientSampling: { value: 100 },
    randomSampling: { value: Math.min(Math.max(percent, 0), 100) },
    overallSampling: { value: 100 },
  };
}

function pathLimit(length: number | undefined): TracingFields {
  return length === undefined || length === 0 ? {} : { maxPathTagLength: length };
}

function sorted(tags: readonly CustomTag[]): CustomTag[] {
  return [...tags].sort((a, b) => ((a.tag ?? '') < (b.tag ?? '') ? -1 : 1));
}
