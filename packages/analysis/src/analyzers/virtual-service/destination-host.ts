import type { Analyzer, Report } from '../../analyzer.ts';
import { given, integer, record, records, text, texts } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import type { AnalysisView } from '../../view.ts';
import { destinationsOf, hostOf, subsetOf } from './destinations.ts';

/** IST0101 for hosts and ports nobody has, IST0112 for a port that must be named, IST0140 for subset rules a gateway does not see. */
export const destinationHost: Analyzer = {
  name: 'virtualservice.DestinationHostAnalyzer',
  description: 'Checks the destination hosts associated with each virtual service',
  inputs: ['ServiceEntry', 'VirtualService', 'Service'],
  codes: ['IST0101', 'IST0112', 'IST0140'],
  analyze(view, report) {
    const subsetRules = subsetRulesByHost(view);
    for (const resource of view.all('VirtualService')) {
      checkDestinations(view, resource, report);
      checkGatewayRoutes(resource, subsetRules, report);
    }
  },
};

function checkDestinations(view: AnalysisView, resource: Resource, report: Report): void {
  for (const { destination, mirror, path } of destinationsOf(resource.spec)) {
    const name = hostOf(destination);
    const host = view.hosts.find(resource.namespace, texts(resource.spec['exportTo']), name);
    if (host === undefined) {
      report('IST0101', resource, [mirror ? 'mirror host' : 'host', name], path);
      continue;
    }
    const port = given(destination['port']);
    if (port === undefined) {
      if (host.ports.length > 1) report('IST0112', resource, [name, host.ports], path);
    } else if (!host.ports.includes(integer(port['number']))) {
      report('IST0101', resource, ['host:port', `${name}:${integer(port['number'])}`], path);
    }
  }
}

/** VirtualServices with routes to subsets of a host of their own, by that host. */
function subsetRulesByHost(view: AnalysisView): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>();
  for (const { spec, fullName } of view.all('VirtualService')) {
    const hosts = new Set(texts(spec['hosts']));
    for (const { destination, mirror, path } of destinationsOf(spec)) {
      const host = hostOf(destination);
      if (mirror || !path.startsWith('spec.http') || subsetOf(destination) === '' || !hosts.has(host)) continue;
      found.set(host, (found.get(host) ?? new Set()).add(fullName));
    }
  }
  return found;
}

function checkGatewayRoutes(resource: Resource, subsetRules: ReadonlyMap<string, ReadonlySet<string>>, report: Report): void {
  if (texts(resource.spec['gateways']).length === 0) return;
  for (const [i, rule] of records(resource.spec['http']).entries()) {
    for (const [j, route] of records(rule['route']).entries()) {
      const destination = record(route['destination']);
      if (subsetOf(destination) !== '') continue;
      for (const rules of subsetRules.get(text(destination['host'])) ?? [])
        report('IST0140', resource, [rules, resource.fullName], `spec.http[${i}].route[${j}].destination.host`);
    }
  }
}
