import type { CompiledRbac } from '@xebec/matching';
import type { Counter } from '@xebec/telemetry';
import type { FilterStatus } from '../../http-filter.ts';
import type { NetworkFilter, NetworkFilterCallbacks } from '../../network-filter.ts';

export interface NetworkRbacConfig {
  readonly rules: CompiledRbac | undefined;
  readonly shadowRules: CompiledRbac | undefined;
  readonly shadowPrefix: string;
  /** Evaluates on every read, not only on the first. */
  readonly continuous: boolean;
  readonly delayDenyMs: number;
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;
}

/** Decides on the first bytes, when TLS and earlier filters have left what the rules look at. */
export function createNetworkRbacFilter(config: NetworkRbacConfig, callbacks: NetworkFilterCallbacks): NetworkFilter {
  let decided: 'no' | 'allowed' | 'denied' = 'no';
  const mergeMetadata = (values: Record<string, unknown>) => {
    const { dynamicMetadata } = callbacks.info;
    dynamicMetadata.set('envoy.filters.network.rbac', { ...dynamicMetadata.get('envoy.filters.network.rbac'), ...values });
  };
  const decide = (): boolean => {
    const { info } = callbacks;
    if (config.shadowRules !== undefined) {
      const { allowed, policy } = config.shadowRules.evaluate(undefined, info);
      (allowed ? config.shadowAllowed : config.shadowDenied).add(1);
      mergeMetadata({
        ...(policy === undefined ? {} : { [`${config.shadowPrefix}shadow_effective_policy_id`]: policy }),
        [`${config.shadowPrefix}shadow_engine_result`]: allowed ? 'allowed' : 'denied',
      });
    }
    if (config.rules === undefined) return true;
    const { allowed, policy, logHint } = config.rules.evaluate(undefined, info);
    if (logHint !== undefined) {
      info.dynamicMetadata.set('envoy.common', { ...info.dynamicMetadata.get('envoy.common'), access_log_hint: logHint });
    }
    (allowed ? config.allowed : config.denied).add(1);
    if (allowed) return true;
    // Details are one word in a log.
    const details = `rbac_access_denied_matched_policy[${policy ?? 'none'}]`.replaceAll(/\s/g, '_');
    const close = () => callbacks.close('now', details);
    info.connectionTerminationDetails = details;
    if (config.delayDenyMs > 0) callbacks.setTimeout(close, config.delayDenyMs);
    else close();
    return false;
  };
  return {
    onData(): FilterStatus {
      if (decided === 'denied') return 'stop';
      if (decided === 'no' || config.continuous) decided = decide() ? 'allowed' : 'denied';
      return decided === 'allowed' ? 'continue' : 'stop';
    },
  };
}
