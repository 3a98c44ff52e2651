import { XebecError } from '@xebec/core';
import { compileHeaderMatcher, durationMs, fractionOf, type RuntimeFraction } from '@xebec/matching';
import type { FaultRateLimit } from '@xebec/protos/envoy/extensions/filters/common/fault/v3/fault';
import { type HTTPFault, HTTPFaultSchema } from '@xebec/protos/envoy/extensions/filters/http/fault/v3/fault';
import { decodeConfig } from '../../decode.ts';
import { type HttpFilterDefinition, passiveFilter } from '../../http-filter.ts';
import { createFaultFilter, type FaultConfig } from './filter.ts';

const name = 'envoy.filters.http.fault';

function compileFault(fault: HTTPFault): FaultConfig {
  const delay = fault.delay?.faultDelaySecifier;
  const abort = fault.abort?.errorType;
  if (abort?.case === 'httpStatus' && (abort.value < 200 || abort.value > 599)) {
    throw new XebecError('E_FILTER_CONFIG', `${name}: abort.http_status ${abort.value} is not between 200 and 599`);
  }
  return {
    delay:
      delay?.case === undefined
        ? undefined
        : {
            fixedMs: delay.case === 'fixedDelay' ? durationMs(delay.value) : undefined,
            share: fault.delay?.percentage === undefined ? 0 : fractionOf(fault.delay.percentage),
          },
    abort:
      abort?.case === undefined
        ? undefined
        : {
            httpStatus: abort.case === 'httpStatus' ? abort.value : undefined,
            grpcStatus: abort.case === 'grpcStatus' ? abort.value : undefined,
            share: fault.abort?.percentage === undefined ? 0 : fractionOf(fault.abort.percentage),
            body: fault.abort?.responseBody || 'fault filter abort',
          },
    rateLimit: compileRateLimit(fault.responseRateLimit),
    cluster: fault.upstreamCluster,
    headers: fault.headers.map(compileHeaderMatcher),
    nodes: new Set(fault.downstreamNodes),
    maxActive: fault.maxActiveFaults,
  };
}

/** Shares that the runtime has under Envoy's keys stand in for the configured ones. */
function atRuntime(config: FaultConfig, runtime: RuntimeFraction | undefined): FaultConfig {
  const delayed = config.delay === undefined ? undefined : runtime?.('fault.http.delay.fixed_delay_percent');
  const aborted = config.abort === undefined ? undefined : runtime?.('fault.http.abort.abort_percent');
  if (delayed === undefined && aborted === undefined) return config;
  return {
    ...config,
    delay: config.delay === undefined || delayed === undefined ? config.delay : { ...config.delay, share: delayed },
    abort: config.abort === undefined || aborted === undefined ? config.abort : { ...config.abort, share: aborted },
  };
}

function compileRateLimit(limit: FaultRateLimit | undefined): FaultConfig['rateLimit'] {
  const type = limit?.limitType;
  if (limit === undefined || type?.case === undefined) return undefined;
  return {
    fixedKbps: type.case === 'fixedLimit' ? Number(type.value.limitKbps) : undefined,
    share: limit.percentage === undefined ? 0 : fractionOf(limit.percentage),
  };
}

export const faultDefinition: HttpFilterDefinition = {
  name,
  typeNames: [HTTPFaultSchema.typeName],
  compile(bytes, _, context) {
    const config = compileFault(decodeConfig(HTTPFaultSchema, bytes));
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const stats = {
      delays: scope.counter('fault.delays_injected'),
      aborts: scope.counter('fault.aborts_injected'),
      rateLimits: scope.counter('fault.response_rl_injected'),
      overflow: scope.counter('fault.faults_overflow'),
      active: scope.gauge('fault.active_faults'),
    };
    // Envoy goes by the gauge, which filters of one prefix share.
    const active = context.process?.counter(`fault.active_faults ${context.statPrefix}`) ?? stats.active;
    return {
      create: (callbacks) => {
        const override = callbacks.perRouteConfig(context.filterName) as FaultConfig | undefined; // what compilePerRoute below returned
        const faults = override ?? config;
        if (faults.delay === undefined && faults.abort === undefined && faults.rateLimit === undefined) return passiveFilter;
        return createFaultFilter(atRuntime(faults, context.runtime), stats, active, context.random, callbacks);
      },
    };
  },
  compilePerRoute: (bytes) => compileFault(decodeConfig(HTTPFaultSchema, bytes)),
};
