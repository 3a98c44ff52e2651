import type { Analyzer } from '../../analyzer.ts';
import { records, stringMap, text, texts } from '../../fields.ts';
import type { AnalysisView } from '../../view.ts';
import type { Workload } from '../../workload-index.ts';

const REGION = 'topology.kubernetes.io/region';
const ZONE = 'topology.kubernetes.io/zone';
const SUBZONE = 'topology.istio.io/subzone';
const NODE = 'kubernetes.io/hostname';
const PLACES: ReadonlySet<string> = new Set([REGION, ZONE, SUBZONE, NODE]);

/** IST0174 for hosts the mesh does not have, IST0173 for subsets no pod belongs to. */
export const subsetPods: Analyzer = {
  name: 'destinationrule.SubsetSelectPodAnalyzer',
  description: 'Checks if pods are selected by subsets in destination rules.',
  inputs: ['DestinationRule', 'Pod', 'Service', 'ServiceEntry', 'Node'],
  codes: ['IST0173', 'IST0174'],
  analyze(view, report) {
    for (const resource of view.all('DestinationRule')) {
      const { spec, namespace } = resource;
      const host = view.hosts.find(namespace, texts(spec['exportTo']), text(spec['host']));
      if (host === undefined) {
        if (view.knows('Service')) report('IST0174', resource, [text(spec['host'])], 'spec.host');
        continue;
      }
      if (!view.knows('Pod')) continue;
      for (const [index, subset] of records(spec['subsets']).entries()) {
        const labels = { ...host.workloadLabels, ...stringMap(subset['labels']) };
        if (!hasPod(view, labels)) report('IST0173', resource, [text(subset['name'])], `spec.subsets[${index}].name`);
      }
    }
  },
};

/** Subsets may name labels that pods have from the place they run at. */
function hasPod(view: AnalysisView, selector: Readonly<Record<string, string>>): boolean {
  const entries = Object.entries(selector);
  const places = entries.filter(([key]) => PLACES.has(key));
  const own = view.workloads.select(Object.fromEntries(entries.filter(([key]) => !PLACES.has(key))));
  return own.some((workload) => places.every(([key, value]) => placeLabel(view, workload, key) === value));
}

function placeLabel(view: AnalysisView, { labels, pod }: Workload, key: string): string | undefined {
  const node = text(pod['nodeName']);
  const place = key === NODE ? node : (view.find('Node', node)?.labels[key] ?? '');
  return place === '' ? labels[key] : place;
}
