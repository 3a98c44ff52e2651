import { XebecError } from '@xebec/core';
import { compileHeaderMatcher } from '@xebec/matching';
import { HealthCheckSchema } from '@xebec/protos/envoy/extensions/filters/http/health_check/v3/health_check';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';

/** `filterState` key that marks health checks: `not_health_check_filter` leaves them out of logs. */
export const healthCheckKey = 'envoy.filters.http.health_check';

export const healthCheckDefinition: HttpFilterDefinition = {
  name: healthCheckKey,
  typeNames: [HealthCheckSchema.typeName],
  compile(bytes) {
    const config = decodeConfig(HealthCheckSchema, bytes);
    const passThrough = config.passThroughMode;
    if (passThrough === undefined) throw new XebecError('E_FILTER_CONFIG', `${healthCheckKey}: pass_through_mode is required`);
    const matchers = config.headers.map(compileHeaderMatcher);
    return {
      create: (callbacks) => ({
        onRequestHead(head) {
          if (!matchers.every((matches) => matches(head))) return 'continue';
          callbacks.info.filterState.set(healthCheckKey, true);
          if (passThrough) return 'continue';
          callbacks.sendLocalReply({ status: 200, body: '', details: 'health_check_ok' });
          return 'stop';
        },
      }),
    };
  },
};
