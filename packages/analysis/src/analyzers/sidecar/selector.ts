import type { Analyzer, Report } from '../../analyzer.ts';
import { record, stringMap } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { firstLabel, selectorText } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';
import { inAmbientMode, namespaceInAmbientMode } from '../ambient.ts';
import { overlaps } from '../overlaps.ts';

/** IST0101, IST0110 and IST0111 for Sidecars that select nothing or the same; IST0167 for those of ambient workloads. */
export const sidecarSelector: Analyzer = {
  name: 'sidecar.SelectorAnalyzer',
  description:
    "Validates that sidecars that define a workload selector match at least one pod, and that there aren't multiple sidecar resources that select overlapping pods",
  inputs: ['Sidecar', 'Pod', 'Namespace'],
  codes: ['IST0101', 'IST0110', 'IST0111', 'IST0167'],
  analyze(view, report) {
    const ineffective = new Set<Resource>();
    const { byPod, unmatched, withoutSelector } = overlaps(view, view.all('Sidecar'), selectorOf);
    if (view.knows('Pod'))
      for (const { resource, selector } of unmatched)
        report('IST0101', resource, ['selector', selectorText(selector)], `spec.workloadSelector.labels.${firstLabel(selector)}`);
    for (const [pod, sidecars] of byPod) {
      const names = sidecars.map(({ name }) => name).sort();
      for (const resource of sidecars) {
        if (inAmbientMode(pod)) {
          if (!ineffective.has(resource)) report('IST0167', resource, ['selected workload is in ambient mode, the policy has no impact']);
          ineffective.add(resource);
        } else if (sidecars.length > 1) {
          report('IST0110', resource, [names, pod.namespace, pod.resource.name], 'metadata.name');
        }
      }
    }
    for (const [namespace, sidecars] of withoutSelector) checkNamespace(view, namespace, sidecars, ineffective, report);
  },
};

function selectorOf({ spec }: Resource): Readonly<Record<string, string>> {
  return stringMap(record(spec['workloadSelector'])['labels']);
}

function checkNamespace(
  view: AnalysisView,
  namespace: string,
  sidecars: readonly Resource[],
  ineffective: Set<Resource>,
  report: Report,
): void {
  if (namespaceInAmbientMode(view.find('Namespace', namespace))) {
    for (const resource of sidecars)
      if (!ineffective.has(resource)) report('IST0167', resource, ['namespace is in ambient mode, the policy has no impact']);
    return;
  }
  if (sidecars.length < 2) return;
  const names = sidecars.map(({ name }) => name).sort();
  for (const resource of sidecars) report('IST0111', resource, [names, namespace]);
}
