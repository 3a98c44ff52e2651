import type { Resource } from '../resource.ts';
import type { Labels } from '../selectors.ts';
import type { AnalysisView } from '../view.ts';
import type { Workload } from '../workload-index.ts';

/** Which pods of their namespaces resources select, and which of them select none or have no selector. */
export interface Overlaps {
  readonly byPod: ReadonlyMap<Workload, readonly Resource[]>;
  readonly unmatched: readonly { readonly resource: Resource; readonly selector: Labels }[];
  readonly withoutSelector: ReadonlyMap<string, readonly Resource[]>;
}

export function overlaps(view: AnalysisView, resources: readonly Resource[], selectorOf: (resource: Resource) => Labels): Overlaps {
  const byPod = new Map<Workload, Resource[]>();
  const unmatched: { resource: Resource; selector: Labels }[] = [];
  const withoutSelector = new Map<string, Resource[]>();
  for (const resource of resources) {
    const selector = selectorOf(resource);
    if (Object.keys(selector).length === 0) {
      withoutSelector.set(resource.namespace, [...(withoutSelector.get(resource.namespace) ?? []), resource]);
      continue;
    }
    const pods = view.workloads.select(selector, resource.namespace);
    if (pods.length === 0) unmatched.push({ resource, selector });
    for (const pod of pods) byPod.set(pod, [...(byPod.get(pod) ?? []), resource]);
  }
  return { byPod, unmatched, withoutSelector };
}
