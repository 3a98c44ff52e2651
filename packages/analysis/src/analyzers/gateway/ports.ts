import type { Analyzer } from '../../analyzer.ts';
import { integer, record, records, stringMap, text } from '../../fields.ts';
import { selectorText, selects } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';
import type { Workload } from '../../workload-index.ts';
import { gatewaySelector, gatewaySelectorPath } from './selector-text.ts';

/** IST0101 for gateways whose selector nothing has, IST0162 for ports that the gateway's service does not open. */
export const gatewayPorts: Analyzer = {
  name: 'gateway.IngressGatewayPortAnalyzer',
  description: "Checks a gateway's ports against the gateway's Kubernetes service ports",
  inputs: ['Gateway', 'Pod', 'Service'],
  codes: ['IST0101', 'IST0162'],
  analyze(view, report) {
    for (const resource of view.all('Gateway')) {
      const selector = gatewaySelector(resource);
      const path = gatewaySelectorPath(resource);
      const pods = view.workloads.select(selector);
      if (pods.length === 0) {
        report('IST0101', resource, ['selector', selectorText(selector)], path);
        continue;
      }
      const open = openPorts(view, pods);
      for (const server of records(resource.spec['servers'])) {
        const number = integer(record(server['port'])['number']);
        if (server['port'] !== undefined && !open.has(number)) report('IST0162', resource, [number, selectorText(selector)], path);
      }
    }
  },
};

/** Ports and numeric target ports, TCP, of all services that select any of the pods. */
function openPorts(view: AnalysisView, pods: readonly Workload[]): ReadonlySet<number> {
  const open = new Set<number>();
  for (const { namespace, labels } of pods) {
    for (const { spec } of view.servicesIn(namespace)) {
      if (!selects(stringMap(spec['selector']), labels)) continue;
      for (const port of records(spec['ports'])) {
        if ((text(port['protocol']) || 'TCP') !== 'TCP') continue;
        open.add(integer(port['port']));
        const target = integer(port['targetPort']);
        if (target !== 0) open.add(target);
      }
    }
  }
  return open;
}
