import type { Analyzer } from '../../analyzer.ts';
import { records, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';

/** IST0170: a service that several clusters have is not the same in all. */
export const clusterServices: Analyzer = {
  name: 'services.MultiClusterServiceAnalyzer',
  description: 'Check the validity of services in the multi-cluster environment',
  inputs: ['Service'],
  codes: ['IST0170'],
  analyze(view, report) {
    const services = new Map<string, Resource[]>();
    for (const resource of view.all('Service'))
      if (resource.subject.cluster !== undefined) services.set(resource.fullName, [...(services.get(resource.fullName) ?? []), resource]);
    for (const group of services.values()) {
      const [first] = group;
      if (first === undefined || group.length < 2) continue;
      const { clusters, reasons } = inconsistencies(first, group);
      if (clusters.size > 0) report('IST0170', first, [first.name, first.namespace, [...clusters].sort(), [...reasons].sort().join('; ')]);
    }
  },
};

function inconsistencies(first: Resource, group: readonly Resource[]): { clusters: Set<string>; reasons: Set<string> } {
  const clusters = new Set<string>();
  const reasons = new Set<string>();
  const differ = (reason: string, ...resources: readonly Resource[]): void => {
    reasons.add(reason);
    for (const resource of [first, ...resources]) clusters.add(resource.subject.cluster ?? '');
  };
  for (const service of group) {
    if (isHeadless(first) !== isHeadless(service)) differ('service has mixed mode like headless and clusterIP', ...group);
    if (text(first.spec['type']) !== text(service.spec['type'])) differ('service type is inconsistent', service);
    if (portsKey(first) !== portsKey(service)) differ('service ports are inconsistent', service);
  }
  return { clusters, reasons };
}

function isHeadless({ spec }: Resource): boolean {
  return text(spec['clusterIP']) === 'None';
}

function portsKey({ spec }: Resource): string {
  const ports = records(spec['ports']).map((port) => JSON.stringify(Object.entries(port).sort(([a], [b]) => (a < b ? -1 : 1))));
  return ports.sort().join('\n');
}
