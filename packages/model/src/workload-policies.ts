import type { AuthorizationPolicySpec, ConfigObject, RequestAuthenticationSpec } from '@xebec/schemas';
import { selects } from './labels.ts';
import type { MeshProxy } from './proxy.ts';
import type { MeshSnapshot } from './snapshot.ts';

/** The workload that a policy is asked about. */
export type PolicyTarget = Pick<MeshProxy, 'namespace' | 'labels'> & Partial<Pick<MeshProxy, 'serviceAccount'>>;

/** Narrows a policy to workloads of one service account: policies that are made of SMI's TrafficTargets have it. */
const SERVICE_ACCOUNT = 'xebec.dev/service-account';

interface TargetReference {
  readonly group?: string | undefined;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** What policies have in common: they choose workloads by labels, or name what they are for. */
type Attachable = {
  readonly metadata: { readonly namespace: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec: Attachment;
};

interface Attachment {
  selector?: { matchLabels?: Record<string, string> | undefined } | undefined;
  targetRef?: TargetReference | undefined;
  targetRefs?: readonly TargetReference[] | undefined;
}

/** Label of the pods that a Gateway of the Gateway API made. */
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';

export type AuthorizationAction = 'ALLOW' | 'DENY' | 'AUDIT' | 'CUSTOM';

/** Policies of the root namespace and then the workload's own that apply to it, oldest first, by action. */
export function authorizationPoliciesOf(
  snapshot: MeshSnapshot,
  target: PolicyTarget,
): ReadonlyMap<AuthorizationAction, readonly ConfigObject<AuthorizationPolicySpec>[]> {
  const out = new Map<AuthorizationAction, ConfigObject<AuthorizationPolicySpec>[]>();
  for (const namespace of scopes(snapshot, target)) {
    for (const config of snapshot.config.in('AuthorizationPolicy', namespace)) {
      if (!policyApplies(config, target)) continue;
      const action = config.spec.action ?? 'ALLOW';
      const list = out.get(action);
      if (list === undefined) out.set(action, [config]);
      else list.push(config);
    }
  }
  return out;
}

/** RequestAuthentications that apply to a workload, its own namespace's first: all of them count together. */
export function requestAuthenticationsOf(snapshot: MeshSnapshot, target: PolicyTarget): ConfigObject<RequestAuthenticationSpec>[] {
  const nearestFirst = scopes(snapshot, target).reverse();
  return nearestFirst.flatMap((namespace) =>
    snapshot.config.in('RequestAuthentication', namespace).filter((config) => policyApplies(config, target)),
  );
}

function scopes(snapshot: MeshSnapshot, target: PolicyTarget): string[] {
  return [...new Set([snapshot.rootNamespace, target.namespace])];
}

/**
 * Whether a policy of a namespace that counts is for a workload. With targets it is for the Gateway that it names, in its own
 * namespace; without, its selector decides.
 */
export function policyApplies(config: Attachable, target: PolicyTarget): boolean {
  const { targetRef, targetRefs, selector } = config.spec;
  const targets = targetRefs !== undefined && targetRefs.length > 0 ? targetRefs : targetRef === undefined ? [] : [targetRef];
  const account = config.metadata.annotations?.[SERVICE_ACCOUNT];
  if (account !== undefined && account !== target.serviceAccount) return false;
  if (targets.length === 0) return selects(selector?.matchLabels, target.labels);
  const gateway = target.labels[GATEWAY_NAME];
  return (
    gateway !== undefined &&
    config.metadata.namespace === target.namespace &&
    targets.some(
      ({ group, kind, name, namespace }) =>
        group === 'gateway.networking.k8s.io' &&
        kind === 'Gateway' &&
        name === gateway &&
        (namespace === undefined || namespace === '' || namespace === target.namespace),
    )
  );
}
