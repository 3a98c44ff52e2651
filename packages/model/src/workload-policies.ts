import type { AuthorizationPolicySpec, ConfigObject, RequestAuthenticationSpec } from '@xebec/schemas';
import { selects } from './labels.ts';
import type { MeshProxy } from './proxy.ts';
import type { MeshSnapshot } from './snapshot.ts';

type Target = Pick<MeshProxy, 'namespace' | 'labels'>;
type Selectable = ConfigObject<{
  selector?: { matchLabels?: Record<string, string> | undefined } | undefined;
  targetRef?: unknown;
  targetRefs?: unknown;
}>;

export type AuthorizationAction = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';

/** Policies of the root namespace and then the workload's own that select it, oldest first, by action. */
export function authorizationPoliciesOf(
  snapshot: MeshSnapshot,
  target: Target,
): ReadonlyMap<AuthorizationAction, readonly ConfigObject<AuthorizationPolicySpec>[]> {
  const out = new Map<AuthorizationAction, ConfigObject<AuthorizationPolicySpec>[]>();
  for (const namespace of scopes(snapshot, target)) {
    for (const config of snapshot.config.in('AuthorizationPolicy', namespace)) {
      if (!applies(config, target)) continue;
      const action = config.spec.action ?? 'ALLOW';
      const list = out.get(action);
      if (list === undefined) out.set(action, [config]);
      else list.push(config);
    }
  }
  return out;
}

/** RequestAuthentications that select a workload: all of them count together. */
export function requestAuthenticationsOf(snapshot: MeshSnapshot, target: Target): ConfigObject<RequestAuthenticationSpec>[] {
  return scopes(snapshot, target).flatMap((namespace) =>
    snapshot.config.in('RequestAuthentication', namespace).filter((config) => applies(config, target)),
  );
}

function scopes(snapshot: MeshSnapshot, target: Target): string[] {
  return [...new Set([snapshot.rootNamespace, target.namespace])];
}

function applies(config: Selectable, target: Target): boolean {
  // Policies with a targetRef belong to Gateway API gateways and waypoints, never to a workload by its labels.
  if (config.spec.targetRef !== undefined || config.spec.targetRefs !== undefined) return false;
  return selects(config.spec.selector?.matchLabels, target.labels);
}
