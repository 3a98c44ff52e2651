import type { Message } from '../message.ts';
import { type AnalysisView, subjectOf } from '../view.ts';

/** IST0127: a policy whose selector matches nothing that runs. Without any workload in sight nothing can be said. */
export function analyzeSelectors(view: AnalysisView): Message[] {
  if (view.workloads.length === 0) return [];
  return view.policies.flatMap((policy) => {
    const labels = policy.spec.selector?.matchLabels ?? {};
    if (Object.keys(labels).length === 0) return [];
    const { namespace } = policy.metadata;
    const found = view.workloads.some(
      (workload) =>
        (namespace === view.rootNamespace || workload.object.metadata.namespace === namespace) &&
        Object.entries(labels).every(([key, value]) => workload.labels[key] === value),
    );
    if (found) return [];
    const text = `No matching workloads for this resource with the following labels: ${Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(',')}`;
    return [{ code: 'IST0127', subject: subjectOf(policy), path: 'spec.selector', text } as const];
  });
}
