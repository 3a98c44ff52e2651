import { errorText } from '@xebec/core';
import { PluginConfigSchema } from '@xebec/protos/istio/filters/stats';
import { compileValueExpression, type FormatContext } from '@xebec/telemetry';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, HttpFilterDefinition } from '../../http-filter.ts';
import { httpMetricKinds, IstioStatsFilter } from './filter.ts';
import type { LabelOptions } from './labels.ts';
import { MetricFamily } from './metrics.ts';
import { SeriesIndex } from './series.ts';

/** Who reports: the client's side for outbound listeners and gateways, the server's for inbound. */
export function labelOptions(context: FilterContext, disableHostFallback: boolean): LabelOptions {
  return { reporter: context.direction === 'outbound' ? 'source' : 'destination', node: context.node, hostFallback: !disableHostFallback };
}

export type DimensionExpressions = ReadonlyMap<string, (context: FormatContext) => string>;

/** Compiles added dimensions; one that is not understood is logged once and shows `unknown`, as in Istio. */
export function compileDimensions(
  metrics: readonly { readonly dimensions: Readonly<Record<string, string>> }[],
  context: FilterContext,
): DimensionExpressions {
  const expressions = new Map<string, (context: FormatContext) => string>();
  for (const { dimensions } of metrics) {
    for (const [name, source] of Object.entries(dimensions)) {
      try {
        const compiled = compileValueExpression(source);
        expressions.set(name, (at) => String(compiled(at) ?? 'unknown'));
      } catch (error) {
        context.logger.warn({ dimension: name, error: errorText(error) }, 'metric dimension cannot be computed');
        expressions.set(name, () => 'unknown');
      }
    }
  }
  return expressions;
}

export const istioStatsDefinition: HttpFilterDefinition = {
  name: 'istio.stats',
  typeNames: [PluginConfigSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(PluginConfigSchema, bytes);
    const family = new MetricFamily(context.stats, httpMetricKinds, config.metrics);
    const options = labelOptions(context, config.disableHostHeaderFallback);
    const dimensions = compileDimensions(config.metrics, context);
    const index = new SeriesIndex(family, options, dimensions);
    return { create: (callbacks) => new IstioStatsFilter(index, callbacks) };
  },
};
