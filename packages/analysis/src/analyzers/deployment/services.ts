import type { Analyzer } from '../../analyzer.ts';
import { integer, records, stringMap, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { selects } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';
import { templateWorkload } from '../../workload-index.ts';
import { isInMesh } from '../in-mesh.ts';
import { targetText } from '../service/port-name.ts';

/** IST0116 and IST0137: services of one deployment disagree about a port. */
export const deploymentServices: Analyzer = {
  name: 'deployment.MultiServiceAnalyzer',
  description: 'Checks association between services and pods',
  inputs: ['Service', 'Deployment', 'Namespace'],
  codes: ['IST0116', 'IST0137'],
  analyze(view, report) {
    for (const resource of view.all('Deployment')) {
      if (resource.labels['gateway.istio.io/managed'] === 'istio.io-mesh-controller') continue;
      const workload = templateWorkload(resource);
      if (!isInMesh(view, workload, false)) continue;
      const services = matchingServices(view, resource.namespace, workload.labels);
      for (const [port, protocols] of protocolsByPort(services)) {
        if (protocols.size < 2) continue;
        const names = [...protocols.values()].flat().sort();
        report('IST0116', resource, [resource.name, port, names], 'metadata.name');
      }
      for (const [target, ports] of portsByTarget(services)) {
        if (ports.size < 2) continue;
        const numbers = [...ports.keys()].sort((a, b) => a - b);
        report('IST0137', resource, [resource.name, [...ports.values()].sort(), target, numbers], 'metadata.name');
      }
    }
  },
};

function matchingServices(view: AnalysisView, namespace: string, labels: Readonly<Record<string, string>>): Resource[] {
  return view.servicesIn(namespace).filter(({ spec }) => {
    const selector = stringMap(spec['selector']);
    return Object.keys(selector).length > 0 && selects(selector, labels);
  });
}

function protocolsByPort(services: readonly Resource[]): ReadonlyMap<number, ReadonlyMap<string, readonly string[]>> {
  const byPort = new Map<number, Map<string, string[]>>();
  for (const { spec, fullName } of services) {
    for (const port of records(spec['ports'])) {
      const protocols = byPort.get(integer(port['port'])) ?? new Map<string, string[]>();
      const protocol = text(port['protocol']) || 'TCP';
      protocols.set(protocol, [...(protocols.get(protocol) ?? []), fullName]);
      byPort.set(integer(port['port']), protocols);
    }
  }
  return byPort;
}

function portsByTarget(services: readonly Resource[]): ReadonlyMap<string, ReadonlyMap<number, string>> {
  const byTarget = new Map<string, Map<number, string>>();
  for (const { spec, fullName } of services) {
    for (const port of records(spec['ports'])) {
      const number = integer(port['port']);
      const named = targetText(port['targetPort']);
      const target = named === '0' || named === '' ? String(number) : named;
      byTarget.set(target, (byTarget.get(target) ?? new Map<number, string>()).set(number, fullName));
    }
  }
  return byTarget;
}
