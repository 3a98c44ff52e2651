import type { Analyzer } from '../../analyzer.ts';
import { integer, record, records, text, texts } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { type Labels, selectorText, selects } from '../../selectors.ts';
import type { AnalysisView } from '../../view.ts';
import { gatewaySelector } from './selector-text.ts';

interface Listening {
  readonly resource: Resource;
  readonly selector: Labels;
  readonly selectorText: string;
  /** Hosts of the last server on the port, with the address each binds. */
  readonly hosts: ReadonlyMap<string, string>;
}

/** IST0145: gateways of the same workload serve a host at the same port and address. */
export const conflictingGateways: Analyzer = {
  name: 'gateway.ConflictingGatewayAnalyzer',
  description: "Checks a gateway's selector, port number and hosts",
  inputs: ['Gateway', 'Pod'],
  codes: ['IST0101', 'IST0145'],
  analyze(view, report) {
    const byPort = listeningByPort(view);
    for (const resource of view.all('Gateway')) {
      const selector = gatewaySelector(resource);
      const own = selectorText(selector);
      for (const server of records(resource.spec['servers'])) {
        const port = portOf(server);
        const bind = text(server['bind']);
        const hosts = texts(server['hosts']);
        const conflicting = (byPort.get(port) ?? []).filter(
          (other) =>
            other.resource !== resource &&
            hosts.some((host) => other.hosts.get(host) === bind) &&
            sharesWorkload(view, { selector, selectorText: own }, other),
        );
        if (conflicting.length === 0) continue;
        const names = conflicting.map((other) => other.resource.fullName).sort();
        report('IST0145', resource, [names.join(','), own, String(port), hosts.join(',')]);
      }
    }
  },
};

function portOf(server: Readonly<Record<string, unknown>>): number {
  return integer(record(server['port'])['number']);
}

function listeningByPort(view: AnalysisView): ReadonlyMap<number, readonly Listening[]> {
  const byPort = new Map<number, Map<Resource, Listening>>();
  for (const resource of view.all('Gateway')) {
    const selector = gatewaySelector(resource);
    for (const server of records(resource.spec['servers'])) {
      const hosts = new Map(texts(server['hosts']).map((host) => [host, text(server['bind'])]));
      const listening = { resource, selector, selectorText: selectorText(selector), hosts };
      const port = portOf(server);
      byPort.set(port, (byPort.get(port) ?? new Map<Resource, Listening>()).set(resource, listening));
    }
  }
  return new Map([...byPort].map(([port, list]) => [port, [...list.values()]]));
}

/** Equal selectors share their workloads; of two where one holds the other's text, a pod decides. */
function sharesWorkload(
  view: AnalysisView,
  a: { readonly selector: Labels; readonly selectorText: string },
  b: { readonly selector: Labels; readonly selectorText: string },
): boolean {
  if (a.selectorText === b.selectorText) return true;
  if (!a.selectorText.includes(b.selectorText) && !b.selectorText.includes(a.selectorText)) return false;
  return view.workloads.select(a.selector).some(({ labels }) => selects(b.selector, labels));
}
