import { XebecError } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import type { Attributes } from '@xebec/protos/istio/mixer/v1/attributes';
import { MixerClient_FailPolicy, MixerClientPerRouteSchema, MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import type { AttributeBag } from './attributes.ts';
import { CheckCache } from './check-cache.ts';
import { createMixerFilter, type MixerPerRoute } from './filter.ts';
import { MixerReporter } from './reporter.ts';

const name = 'xebec.filters.http.mixer';

function staticBag(attributes: Attributes | undefined): AttributeBag {
  const bag: AttributeBag = new Map();
  for (const [key, { value }] of Object.entries(attributes?.attributes ?? {})) if (value.case !== undefined) bag.set(key, value);
  return bag;
}

export const mixerDefinition: HttpFilterDefinition = {
  name,
  typeNames: [MixerClientSchema.typeName, MixerClientPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(MixerClientSchema, bytes);
    if (config.checkCluster === '' && config.reportCluster === '') {
      throw new XebecError('E_FILTER_CONFIG', `${name}: set check_cluster, report_cluster or both`);
    }
    const reporter =
      config.reportCluster === ''
        ? undefined
        : new MixerReporter(
            {
              cluster: config.reportCluster,
              maxEntries: config.reportBatchMaxEntries || 100,
              maxTimeMs: config.reportBatchMaxTime === undefined ? 1000 : durationMs(config.reportBatchMaxTime),
            },
            context,
          );
    const shared = {
      context,
      checkCluster: config.checkCluster,
      checkTimeoutMs: config.checkTimeout === undefined ? 1000 : durationMs(config.checkTimeout),
      failOpen: config.failPolicy === MixerClient_FailPolicy.FAIL_OPEN,
      attributes: staticBag(config.mixerAttributes),
      cache: new CheckCache(context.clock),
      reporter,
    };
    return {
      create: (callbacks) => {
        const perRoute = callbacks.perRouteConfig(context.filterName) as MixerPerRoute | undefined; // what compilePerRoute below returned
        return createMixerFilter(shared, perRoute, callbacks);
      },
      close: () => reporter?.close(),
    };
  },
  compilePerRoute(bytes): MixerPerRoute {
    const config = decodeConfig(MixerClientPerRouteSchema, bytes);
    return { disableCheck: config.disableCheck, disableReport: config.disableReport, attributes: staticBag(config.mixerAttributes) };
  },
};
