import { type AuthorizationAction, authorizationPoliciesOf, type MeshProxy, type MeshSnapshot } from '@xebec/model';
import { RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { RBACSchema as HttpRbacSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { RBACSchema as NetworkRbacSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import { extension } from '../envoy/any.ts';
import { type ConfigReference, referenceTo } from '../generated.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
import { externalFilters } from './external.ts';
import { type AuthorizationPolicy, rbacRules } from './rules.ts';

export interface AuthorizationFilters {
  /** Those of CUSTOM policies, which ask before tokens are looked at: what a provider adds to a request is seen by all behind it. */
  readonly external: readonly HttpFilter[];
  /** The same for plain TCP, where only gRPC providers can be asked. */
  readonly externalTcp: readonly NetworkFilter[];
  readonly http: readonly HttpFilter[];
  readonly tcp: readonly NetworkFilter[];
  readonly references: readonly ConfigReference[];
}

/** Evaluated in this order after CUSTOM; AUDIT decides nothing. */
const ACTIONS: readonly [AuthorizationAction, RBAC_Action][] = [
  ['AUDIT', RBAC_Action.LOG],
  ['DENY', RBAC_Action.DENY],
  ['ALLOW', RBAC_Action.ALLOW],
];

/** The RBAC filters that guard a workload, for HTTP and for plain TCP. */
export function authorizationFilters(snapshot: MeshSnapshot, proxy: MeshProxy): AuthorizationFilters {
  const byAction = authorizationPoliciesOf(snapshot, proxy);
  const { mesh } = snapshot;
  // Sorted, so that the order in which aliases are written makes no other configuration.
  const trustDomains = [mesh.trustDomain ?? 'cluster.local', ...[...new Set(mesh.trustDomainAliases ?? [])].sort()];
  const http: HttpFilter[] = [];
  const tcp: NetworkFilter[] = [];
  // On trial, a provider would still have to be asked for real: such a policy waits until it is meant.
  const custom = (byAction.get('CUSTOM') ?? []).filter((policy) => !isDryRun(policy));
  const external = externalFilters(snapshot, proxy, custom, trustDomains);
  for (const [action, rbac] of ACTIONS) {
    const policies = byAction.get(action) ?? [];
    const live = policies.filter((policy) => !isDryRun(policy));
    const dry = policies.filter(isDryRun);
    if (live.length === 0 && dry.length === 0) continue;
    // Without rules on trial the prefix names nothing; it is as Istio writes it.
    const prefix = dry.length === 0 ? 'istio_dry_run_allow_' : action === 'AUDIT' ? '' : `istio_dry_run_${action.toLowerCase()}_`;
    const rules = (onTcp: boolean) => ({
      ...(live.length === 0 ? {} : { rules: rbacRules(live, rbac, { trustDomains, tcp: onTcp }) }),
      ...(dry.length === 0 ? {} : { shadowRules: rbacRules(dry, rbac, { trustDomains, tcp: onTcp }) }),
      shadowRulesStatPrefix: prefix,
    });
    http.push(extension('envoy.filters.http.rbac', HttpRbacSchema, rules(false)));
    tcp.push(extension('envoy.filters.network.rbac', NetworkRbacSchema, { ...rules(true), statPrefix: 'tcp.' }));
  }
  const references = [...byAction.values()].flatMap((policies) => policies.map((policy) => referenceTo(policy)));
  return { external: external.http, externalTcp: external.tcp, http, tcp, references };
}

/** The annotation's spellings of true are Go's. */
function isDryRun(policy: AuthorizationPolicy): boolean {
  return ['true', 'True', 'TRUE', 't', 'T', '1'].includes(policy.metadata.annotations['istio.io/dry-run'] ?? '');
}
