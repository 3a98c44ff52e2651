import type { Analyzer } from '../../analyzer.ts';
import { type Fields, records, stringMap, text, texts } from '../../fields.ts';
import type { KnownHost } from '../../host-index.ts';
import { type Labels, selectorText, selects } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';

/**
 * XB0001: IST0173 looks for any pod of any namespace; this looks at what the host itself selects, at workload entries and at
 * endpoints that a ServiceEntry lists. Where IST0173 speaks already, this is silent.
 */
export const subsetEndpoints: Analyzer = {
  name: 'xebec.SubsetEndpointsAnalyzer',
  description: 'Finds subsets that no endpoint of their host belongs to',
  inputs: ['DestinationRule', 'Service', 'ServiceEntry', 'WorkloadEntry', 'Pod'],
  codes: ['XB0001'],
  analyze(view, report) {
    if (!view.knows('Pod')) return;
    for (const resource of view.all('DestinationRule')) {
      const host = view.hosts.find(resource.namespace, texts(resource.spec['exportTo']), text(resource.spec['host']));
      if (host === undefined) continue;
      const endpoints = endpointLabels(view, host);
      if (endpoints === undefined) continue;
      for (const [index, subset] of records(resource.spec['subsets']).entries()) {
        const labels = stringMap(subset['labels']);
        const anywhere = view.workloads.select({ ...host.workloadLabels, ...labels }).length > 0;
        if (!anywhere || endpoints.some((own) => selects(labels, own)) || Object.keys(labels).some(isPlace)) continue;
        const values = [text(subset['name']), text(resource.spec['host']), selectorText(labels)];
        report('XB0001', resource, values, `spec.subsets[${index}].labels`);
      }
    }
  },
};

function isPlace(key: string): boolean {
  return key.startsWith('topology.') || key === 'kubernetes.io/hostname';
}

/** Labels of each endpoint; undefined where they are not for us to know. */
function endpointLabels(view: AnalysisView, { resource, workloadLabels }: KnownHost): readonly Labels[] | undefined {
  if (resource.kind === 'Service') {
    const selector = stringMap(resource.spec['selector']);
    if (Object.keys(selector).length === 0) return undefined;
    return view.workloads.select(selector, resource.namespace).map(({ labels }) => labels);
  }
  const listed = records(resource.spec['endpoints']);
  if (listed.length > 0) return listed.map((endpoint: Fields) => stringMap(endpoint['labels']));
  if (Object.keys(workloadLabels).length === 0) return undefined;
  const entries = view
    .all('WorkloadEntry')
    .filter(({ namespace }) => namespace === resource.namespace)
    .map(({ spec }) => stringMap(spec['labels']))
    .filter((labels) => selects(workloadLabels, labels));
  return [...entries, ...view.workloads.select(workloadLabels, resource.namespace).map(({ labels }) => labels)];
}
