import { durationMs, isGrpcRequest } from '@xebec/matching';
import { type PluginConfig, PluginConfigSchema, Reporter as ReporterSetting } from '@xebec/protos/istio/filters/stats';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, HttpFilterDefinition } from '../../http-filter.ts';
import { peerFromMetadata } from '../../peer/workload-peer.ts';
import { IstioStatsFilter, PlainStatsFilter } from './filter.ts';
import type { LabelOptions, Reporter } from './labels.ts';
import { MetricFamily } from './metrics.ts';
import { SeriesIndex } from './series.ts';
import { TagExpressions } from './tag-expressions.ts';

/** What HTTP and TCP metrics compile their configuration to. */
export interface StatsFilterConfig {
  readonly options: LabelOptions;
  readonly expressions: TagExpressions;
  readonly family: MetricFamily;
  /** How often streams that go on are counted; 0 is only at their end. */
  readonly intervalMs: number;
}

export function compileStatsConfig(bytes: Uint8Array, context: FilterContext): StatsFilterConfig {
  const config = decodeConfig(PluginConfigSchema, bytes);
  const { metadata } = context.node;
  const text = (key: string): string => (typeof metadata[key] === 'string' ? metadata[key] : '');
  const expressions = new TagExpressions(context);
  const family = new MetricFamily(context.stats, config, expressions);
  const build = context.stats.labelled('gauge', 'istio_build', { component: 'proxy', tag: text('ISTIO_VERSION') || 'unknown' });
  build.set(1);
  return {
    options: {
      reporter: reporterOf(config, context),
      own: peerFromMetadata(metadata),
      serviceAccount: text('SERVICE_ACCOUNT'),
      hostFallback: !config.disableHostHeaderFallback,
    },
    expressions,
    family,
    intervalMs: config.tcpReportingDuration === undefined ? 5000 : durationMs(config.tcpReportingDuration),
  };
}

/** The client's side for outbound listeners and gateways, the server's for inbound. */
function reporterOf({ reporter }: PluginConfig, { direction }: FilterContext): Reporter {
  if (reporter === ReporterSetting.SERVER_GATEWAY) return 'waypoint';
  return direction === 'inbound' ? 'destination' : 'source';
}

export const istioStatsDefinition: HttpFilterDefinition = {
  name: 'istio.stats',
  typeNames: [PluginConfigSchema.typeName],
  compile(bytes, _, context) {
    const { family, options, expressions, intervalMs } = compileStatsConfig(bytes, context);
    const index = new SeriesIndex(family, options, expressions);
    return {
      create(callbacks) {
        const grpc = isGrpcRequest(callbacks.request);
        if (!grpc && expressions.size === 0) return new PlainStatsFilter(index, callbacks);
        return new IstioStatsFilter(index, callbacks, grpc, intervalMs);
      },
    };
  },
};
