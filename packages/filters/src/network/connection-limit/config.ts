import { XebecError } from '@xebec/core';
import { durationMs } from '@xebec/matching';
import { ConnectionLimitSchema } from '@xebec/protos/envoy/extensions/filters/network/connection_limit/v3/connection_limit';
import { decodeConfig } from '../../decode.ts';
import type { FilterStatus } from '../../http-filter.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';
import { flagNow } from '../../runtime-share.ts';

export const connectionLimitDefinition: NetworkFilterDefinition = {
  name: 'envoy.filters.network.connection_limit',
  typeNames: [ConnectionLimitSchema.typeName],
  compile(bytes, _, context) {
    const config = decodeConfig(ConnectionLimitSchema, bytes);
    const max = Number(config.maxConnections ?? 0n);
    if (max < 1) throw new XebecError('E_FILTER_CONFIG', 'envoy.filters.network.connection_limit: max_connections must be at least 1');
    const enabled = flagNow(config.runtimeEnabled, context);
    const delayMs = config.delay === undefined ? 0 : durationMs(config.delay);
    const scope = context.stats.scope(`connection_limit.${config.statPrefix}`);
    const limited = scope.counter('limited_connections');
    const active = scope.gauge('active_connections');
    const connections = context.process?.counter(`connection_limit ${context.place} ${config.statPrefix}`) ?? new Count();
    return {
      create: (callbacks) => {
        let counted = false;
        return {
          onNewConnection(): FilterStatus {
            if (enabled() && connections.value >= max) {
              limited.add(1);
              const close = () => callbacks.close('now', '');
              if (delayMs > 0) callbacks.setTimeout(close, delayMs);
              else close();
              return 'stop';
            }
            counted = true;
            connections.add(1);
            active.add(1);
            return 'continue';
          },
          onData: () => (counted ? 'continue' : 'stop'),
          onClose() {
            if (!counted) return;
            counted = false;
            connections.add(-1);
            active.add(-1);
          },
        };
      },
    };
  },
};

/** Of one thread. */
class Count {
  value = 0;
  add(n: number): void {
    this.value += n;
  }
}
