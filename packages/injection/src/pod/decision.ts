import type { InjectionParameters } from './parameters.ts';
import type { Pod } from './pod.ts';

const IGNORED_NAMESPACES: ReadonlySet<string> = new Set(['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage']);
const INJECT = 'sidecar.istio.io/inject';

export type Decision = { readonly inject: true; readonly warning?: string } | { readonly inject: false; readonly reason: string };

/**
 * Whether a pod gets a sidecar. The steps stand in istiod's order: host network, ignored namespaces, the pod's own
 * word (label before annotation), never and always selectors, then the namespace label with the mesh's policy.
 */
export function decideInjection(pod: Pod, parameters: InjectionParameters): Decision {
  if (pod.spec?.hostNetwork === true) return no('pod uses the host network');
  if (IGNORED_NAMESPACES.has(parameters.namespace)) return no(`namespace ${parameters.namespace} is never injected`);
  const labels = pod.metadata?.labels ?? {};
  const own = labels[INJECT] ?? pod.metadata?.annotations?.[INJECT];
  const namespaceLabels = parameters.namespaceLabels ?? {};
  const namespaceWord = namespaceLabels['istio-injection'];
  if (own === 'false') return no(`pod says ${INJECT}: "false"`);
  // The webhook's selectors leave out a namespace that says no, whatever the pod says.
  if (namespaceWord === 'disabled') return no('namespace says istio-injection: disabled');
  if (own === 'true') return { inject: true };
  const warning = own === undefined ? undefined : `${INJECT} wants "true" or "false" but is "${own}"; the default applies`;
  const answer = byDefault(labels, namespaceLabels, parameters);
  return answer.inject && warning !== undefined ? { inject: true, warning } : answer;
}

function byDefault(
  labels: Readonly<Record<string, string>>,
  namespaceLabels: Readonly<Record<string, string>>,
  parameters: InjectionParameters,
): Decision {
  if (parameters.neverInjectSelector?.some((selector) => matches(selector, labels))) return no('a neverInjectSelector matches');
  if (parameters.alwaysInjectSelector?.some((selector) => matches(selector, labels))) return { inject: true };
  const revision = parameters.revision ?? 'default';
  const named = labels['istio.io/rev'] ?? namespaceLabels['istio.io/rev'];
  const chosen = namespaceLabels['istio-injection'] === 'enabled' || named === revision;
  if (!chosen) return no(`namespace ${parameters.namespace} has no label istio-injection: enabled`);
  return (parameters.policy ?? 'enabled') === 'enabled' ? { inject: true } : no('the injection policy is disabled');
}

function matches(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(selector);
  return entries.length > 0 && entries.every(([key, value]) => labels[key] === value);
}

function no(reason: string): Decision {
  return { inject: false, reason };
}
