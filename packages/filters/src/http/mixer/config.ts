import { XebecError } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import {
  type MixerClient,
  MixerClient_FailPolicy,
  MixerClientPerRouteSchema,
  MixerClientSchema,
} from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, HttpFilterDefinition } from '../../http-filter.ts';
import type { HttpCall } from './call.ts';
import { CheckClient } from './check-client.ts';
import { clientStats } from './client-stats.ts';
import { ownAttributes } from './common-attributes.ts';
import { MixerFilter } from './filter.ts';
import { encodeForwarded, ForwardedReader } from './forwarded-attributes.ts';
import { requestAttributes, responseAttributes } from './http-attributes.ts';
import { proxySide } from './peers.ts';
import { MixerReporter } from './reporter.ts';
import { compilePerRoute, fixedAttributes, type MixerPerRoute, routeSettings } from './route-settings.ts';
import { GlobalWords } from './word-dictionary.ts';

const name = 'xebec.filters.http.mixer';

type Period = MixerClient['checkTimeout'];
const ms = (given: Period, otherwise: number) => (given === undefined ? otherwise : durationMs(given));

/** What asks and what tells, as the configuration has them. `filter` is the name that errors give. */
export function createClients<C>(config: MixerClient, context: FilterContext, filter: string, scope: string) {
  if (config.checkCluster === '' && config.reportCluster === '') {
    throw new XebecError('E_FILTER_CONFIG', `${filter}: set check_cluster, report_cluster or both`);
  }
  const stats = clientStats(context.stats.scope(scope));
  const words = new GlobalWords();
  const checks =
    config.checkCluster === ''
      ? undefined
      : new CheckClient<C>(
          {
            cluster: config.checkCluster,
            timeoutMs: ms(config.checkTimeout, 1000),
            failOpen: config.failPolicy === MixerClient_FailPolicy.FAIL_OPEN,
            maxRetry: config.maxRetry,
            baseRetryWaitMs: ms(config.baseRetryWait, 80),
            maxRetryWaitMs: ms(config.maxRetryWait, 1000),
            cache: !config.disableCheckCache,
            quotaPrefetch: config.quotaPrefetch,
          },
          context,
          stats,
          words,
        );
  const reporter =
    config.reportCluster === ''
      ? undefined
      : new MixerReporter<C>(
          {
            cluster: config.reportCluster,
            maxEntries: config.reportBatchMaxEntries || 100,
            maxTimeMs: ms(config.reportBatchMaxTime, 1000),
          },
          context,
          stats,
          words,
        );
  return { checks, reporter };
}

export const mixerDefinition: HttpFilterDefinition = {
  name,
  typeNames: [MixerClientSchema.typeName, MixerClientPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(MixerClientSchema, bytes);
    const { checks, reporter } = createClients<HttpCall>(config, context, name, 'http_mixer_filter');
    const side = proxySide(context);
    const settingsOf = routeSettings(requestAttributes(side), responseAttributes(), [
      ownAttributes(side),
      fixedAttributes(config.mixerAttributes),
    ]);
    const shared = {
      side,
      checks,
      reporter,
      forwarded: new ForwardedReader(),
      ignoreForwarded: config.ignoreForwardedAttributes,
      forward: encodeForwarded(config.forwardAttributes),
    };
    return {
      create: (callbacks) => {
        const route = callbacks.perRouteConfig(context.filterName) as MixerPerRoute | undefined; // what compilePerRoute below returned
        return new MixerFilter(shared, settingsOf(route), callbacks);
      },
      close: () => reporter?.close(),
    };
  },
  compilePerRoute,
};
