import type { Analyzer, Report } from '../../analyzer.ts';
import { given, record, records, stringMap, texts } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { selectorText } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';
import { createWorkloadIndex, type WorkloadIndex } from '../../workload-index.ts';
import { inAmbientMode } from '../ambient.ts';
import { isInMesh } from '../in-mesh.ts';

/** IST0127 for policies that concern no workload of the mesh, IST0101 for namespaces they name and nobody has. */
export const authorizationPolicies: Analyzer = {
  name: 'auth.AuthorizationPoliciesAnalyzer',
  description: 'Checks the validity of authorization policies',
  inputs: ['AuthorizationPolicy', 'Namespace', 'Pod'],
  codes: ['IST0101', 'IST0127'],
  analyze(view, report) {
    const policies = view.all('AuthorizationPolicy');
    if (policies.length === 0) return;
    const members = createWorkloadIndex(view.workloads.all.filter((workload) => isInMesh(view, workload, true) || inAmbientMode(workload)));
    for (const resource of policies) {
      if (view.knows('Pod')) checkWorkloads(view, members, resource, report);
      if (view.knows('Namespace')) checkNamespaces(view, resource, report);
    }
  },
};

function checkWorkloads(view: AnalysisView, members: WorkloadIndex, resource: Resource, report: Report): void {
  const selector = given(resource.spec['selector']);
  const meshWide = resource.namespace === view.rootNamespace;
  if (selector === undefined) {
    if (!meshWide && members.inNamespace(resource.namespace).length === 0) report('IST0127', resource, ['']);
    return;
  }
  const labels = stringMap(selector['matchLabels']);
  if (members.select(labels, meshWide ? undefined : resource.namespace).length === 0)
    report('IST0127', resource, [selectorText(labels)], 'spec.selector');
}

function checkNamespaces(view: AnalysisView, resource: Resource, report: Report): void {
  for (const [i, rule] of records(resource.spec['rules']).entries()) {
    for (const [j, from] of records(rule['from']).entries()) {
      const source = record(from['source']);
      for (const field of ['namespaces', 'notNamespaces'])
        for (const [k, pattern] of texts(source[field]).entries())
          if (!view.all('Namespace').some(({ name }) => namespaceMatches(name, pattern)))
            report('IST0101', resource, ['namespace', pattern], `spec.rules[${i}].from[${j}].source.${field}[${k}]`);
    }
  }
}

function namespaceMatches(name: string, pattern: string): boolean {
  if (pattern === '*') return true;
  if (pattern.startsWith('*')) return name.endsWith(pattern.slice(1));
  if (pattern.endsWith('*')) return name.startsWith(pattern.slice(0, -1));
  return name.toLowerCase() === pattern.toLowerCase();
}
