import type { Analyzer, Report } from '../../analyzer.ts';
import { type Fields, given, record, records, stringMap, text } from '../../fields.ts';
import type { AnalysedKind, Resource } from '../../resource.ts';
import { selectorText } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';

/** Where each kind has its selector. AuthorizationPolicy, Sidecar and Telemetry have messages of Istio's own. */
const SELECTORS: readonly { readonly kind: AnalysedKind; readonly path: string; readonly labels: (spec: Fields) => unknown }[] = [
  { kind: 'PeerAuthentication', path: 'spec.selector', labels: (spec) => record(spec['selector'])['matchLabels'] },
  { kind: 'RequestAuthentication', path: 'spec.selector', labels: (spec) => record(spec['selector'])['matchLabels'] },
  { kind: 'WasmPlugin', path: 'spec.selector', labels: (spec) => record(spec['selector'])['matchLabels'] },
  { kind: 'TrafficExtension', path: 'spec.selector', labels: (spec) => record(spec['selector'])['matchLabels'] },
  { kind: 'ProxyConfig', path: 'spec.selector', labels: (spec) => record(spec['selector'])['matchLabels'] },
  { kind: 'EnvoyFilter', path: 'spec.workloadSelector', labels: (spec) => record(spec['workloadSelector'])['labels'] },
  { kind: 'DestinationRule', path: 'spec.workloadSelector', labels: (spec) => record(spec['workloadSelector'])['matchLabels'] },
];
const TARGETING: readonly AnalysedKind[] = ['AuthorizationPolicy', 'RequestAuthentication', 'Telemetry', 'WasmPlugin', 'TrafficExtension'];
const TARGETS: Readonly<Record<string, AnalysedKind>> = {
  'gateway.networking.k8s.io/Gateway': 'KubernetesGateway',
  '/Service': 'Service',
  'networking.istio.io/ServiceEntry': 'ServiceEntry',
};

/** XB0005: a policy that reaches nothing gives a feeling of safety and no more. */
export const policyTargets: Analyzer = {
  name: 'xebec.PolicyTargetAnalyzer',
  description: 'Finds policies whose selector or target reference matches nothing',
  inputs: [...new Set([...SELECTORS.map(({ kind }) => kind), ...TARGETING])],
  codes: ['XB0005'],
  analyze(view, report) {
    for (const { kind, path, labels } of view.knows('Pod') ? SELECTORS : []) {
      for (const resource of view.all(kind)) {
        const selector = stringMap(labels(resource.spec));
        if (Object.keys(selector).length === 0) continue;
        const meshWide = resource.namespace === view.rootNamespace && kind !== 'DestinationRule';
        if (view.workloads.select(selector, meshWide ? undefined : resource.namespace).length > 0) continue;
        const entry = view
          .all('WorkloadEntry')
          .some(({ namespace, spec }) => (meshWide || namespace === resource.namespace) && isWithin(selector, stringMap(spec['labels'])));
        if (!entry) report('XB0005', resource, [kind, `no workload has ${selectorText(selector)}`], path);
      }
    }
    for (const kind of TARGETING) for (const resource of view.all(kind)) checkTargets(view, resource, report);
  },
};

function isWithin(selector: Readonly<Record<string, string>>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

function checkTargets(view: AnalysisView, resource: Resource, report: Report): void {
  const single = given(resource.spec['targetRef']);
  const targets = [
    ...(single === undefined ? [] : [{ target: single, path: 'spec.targetRef' }]),
    ...records(resource.spec['targetRefs']).map((target, index) => ({ target, path: `spec.targetRefs[${index}]` })),
  ];
  for (const { target, path } of targets) {
    const group = text(target['group']) === 'core' ? '' : text(target['group']);
    const kind = TARGETS[`${group}/${text(target['kind'])}`];
    if (kind === undefined || (!view.complete && view.all(kind).length === 0)) continue;
    const name = `${text(target['namespace']) || resource.namespace}/${text(target['name'])}`;
    if (view.find(kind, name) === undefined)
      report('XB0005', resource, [resource.kind, `there is no ${text(target['kind'])} ${name}`], path);
  }
}
