import type { Analyzer } from '../../analyzer.ts';
import { given, record, stringMap } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { firstLabel, selectorText } from '../../selectors.ts';
import { overlaps } from '../overlaps.ts';

/** IST0101 for Telemetries that select nothing, IST0159 for those that select the same pod. */
export const telemetrySelector: Analyzer = {
  name: 'telemetry.SelectorAnalyzer',
  description:
    "Validates that telemetries that define a selector match at least one pod, and that there aren't multiple telemetry resources that select overlapping pods",
  inputs: ['Telemetry', 'Pod'],
  codes: ['IST0101', 'IST0159'],
  analyze(view, report) {
    const { byPod, unmatched } = overlaps(view, view.all('Telemetry'), ({ spec }) => stringMap(record(spec['selector'])['matchLabels']));
    if (view.knows('Pod'))
      for (const { resource, selector } of unmatched)
        report('IST0101', resource, ['selector', selectorText(selector)], `spec.selector.matchLabels.${firstLabel(selector)}`);
    for (const [pod, list] of byPod) {
      if (list.length < 2) continue;
      const names = list.map(({ name }) => name).sort();
      for (const resource of list) report('IST0159', resource, [names, pod.namespace, pod.resource.name], 'metadata.name');
    }
  },
};

/** IST0160: several Telemetries concern all of a namespace. */
export const telemetryDefaults: Analyzer = {
  name: 'telemetry.DefaultSelectorAnalyzer',
  description: "Validates that there aren't multiple telemetry resources that have no selector",
  inputs: ['Telemetry'],
  codes: ['IST0160'],
  analyze(view, report) {
    const byNamespace = new Map<string, Resource[]>();
    for (const resource of view.all('Telemetry'))
      if (given(resource.spec['selector']) === undefined)
        byNamespace.set(resource.namespace, [...(byNamespace.get(resource.namespace) ?? []), resource]);
    for (const [namespace, list] of byNamespace) {
      if (list.length < 2) continue;
      const names = list.map(({ name }) => name).sort();
      for (const resource of list) report('IST0160', resource, [names, namespace]);
    }
  },
};
