import { LocalRateLimitSchema } from '@xebec/protos/envoy/extensions/filters/network/local_ratelimit/v3/local_rate_limit';
import { decodeConfig } from '../../decode.ts';
import type { FilterStatus } from '../../http-filter.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';
import { flagNow } from '../../runtime-share.ts';
import { TokenBucket } from '../../token-bucket.ts';

export const networkLocalRateLimitDefinition: NetworkFilterDefinition = {
  name: 'envoy.filters.network.local_ratelimit',
  typeNames: [LocalRateLimitSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(LocalRateLimitSchema, bytes);
    // Filters with the same key share their tokens.
    const name = config.shareKey === '' ? `${context.place} ${config.statPrefix}` : config.shareKey;
    const cell = context.process?.tokenBucket(`network ${name} ${Buffer.from(bytes).toString('base64')}`);
    const bucket = new TokenBucket(config.tokenBucket, context.clock, cell);
    const enabled = flagNow(config.runtimeEnabled, context);
    const limited = context.stats.scope(`local_rate_limit.${config.statPrefix}`).counter('rate_limited');
    return {
      create: (callbacks) => ({
        onNewConnection(): FilterStatus {
          if (!enabled() || bucket.take()) return 'continue';
          limited.add(1);
          // The flag that Envoy sets here, whatever its name.
          callbacks.close('now', '', 'URX');
          return 'stop';
        },
      }),
    };
  },
};
