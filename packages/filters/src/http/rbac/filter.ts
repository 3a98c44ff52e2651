import type { CompiledRbac } from '@xebec/matching';
import type { Counter, StatsScope, StreamInfo } from '@xebec/telemetry';
import type { HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';

export interface CompiledRbacConfig {
  readonly rules: CompiledRbac | undefined;
  readonly shadowRules: CompiledRbac | undefined;
  readonly rulesPrefix: string;
  readonly shadowPrefix: string;
}

export interface RbacStats {
  readonly allowed: Counter;
  readonly denied: Counter;
  readonly shadowAllowed: Counter;
  readonly shadowDenied: Counter;
}

export function rbacStats(scope: StatsScope, config: Pick<CompiledRbacConfig, 'rulesPrefix' | 'shadowPrefix'>): RbacStats {
  const name = (prefix: string, what: string) => (prefix === '' ? `rbac.${what}` : `rbac.${prefix}.${what}`);
  return {
    allowed: scope.counter(name(config.rulesPrefix, 'allowed')),
    denied: scope.counter(name(config.rulesPrefix, 'denied')),
    shadowAllowed: scope.counter(name(config.shadowPrefix, 'shadow_allowed')),
    shadowDenied: scope.counter(name(config.shadowPrefix, 'shadow_denied')),
  };
}

export function createRbacFilter(config: CompiledRbacConfig, stats: RbacStats, callbacks: HttpFilterCallbacks): HttpFilter {
  return {
    onRequestHead(head) {
      const { info } = callbacks;
      if (config.shadowRules !== undefined || config.rules !== undefined) info.routeMetadata = callbacks.route()?.metadata;
      if (config.shadowRules !== undefined) evaluateShadow(config, stats, info, (rules) => rules.evaluate(head, info));
      const { rules } = config;
      if (rules === undefined) return 'continue';
      const decision = rules.evaluate(head, info);
      if (decision.logHint !== undefined) mergeMetadata(info, 'envoy.common', { access_log_hint: decision.logHint });
      mergeMetadata(info, 'envoy.filters.http.rbac', verdictMetadata(config, decision));
      if (decision.allowed) {
        stats.allowed.add(1);
        return 'continue';
      }
      stats.denied.add(1);
      callbacks.sendLocalReply({
        status: 403,
        body: 'RBAC: access denied',
        details: `rbac_access_denied_matched_policy[${decision.policy ?? 'none'}]`,
      });
      return 'stop';
    },
  };
}

/** What dry-run rules would have said: counted, and left as metadata for logs. */
function evaluateShadow(
  config: CompiledRbacConfig,
  stats: RbacStats,
  info: StreamInfo,
  evaluate: (rules: CompiledRbac) => { allowed: boolean; policy: string | undefined },
): void {
  if (config.shadowRules === undefined) return;
  const { allowed, policy } = evaluate(config.shadowRules);
  (allowed ? stats.shadowAllowed : stats.shadowDenied).add(1);
  mergeMetadata(info, 'envoy.filters.http.rbac', {
    ...(policy === undefined ? {} : { [`${config.shadowPrefix}shadow_effective_policy_id`]: policy }),
    [`${config.shadowPrefix}shadow_engine_result`]: allowed ? 'allowed' : 'denied',
  });
}

/** What a verdict leaves as metadata; one object for all requests with that verdict, which nobody changes. */
function verdictMetadata(
  config: CompiledRbacConfig,
  { allowed, policy }: { readonly allowed: boolean; readonly policy?: string | undefined },
): Record<string, unknown> {
  let byPolicy = verdicts.get(config);
  if (byPolicy === undefined) {
    byPolicy = new Map();
    verdicts.set(config, byPolicy);
  }
  const key = `${allowed ? 'allowed' : 'denied'} ${policy ?? ''}`;
  let metadata = byPolicy.get(key);
  if (metadata === undefined) {
    metadata = {
      ...(policy === undefined ? {} : { [`${config.rulesPrefix}enforced_effective_policy_id`]: policy }),
      [`${config.rulesPrefix}enforced_engine_result`]: allowed ? 'allowed' : 'denied',
    };
    byPolicy.set(key, metadata);
  }
  return metadata;
}

const verdicts = new WeakMap<CompiledRbacConfig, Map<string, Record<string, unknown>>>();

function mergeMetadata(info: StreamInfo, filter: string, values: Record<string, unknown>): void {
  const before = info.dynamicMetadata.get(filter);
  info.dynamicMetadata.set(filter, before === undefined ? values : { ...before, ...values });
}
