import { hostsOverlap } from '@xebec/model';
import type { Analyzer } from '../../analyzer.ts';
import { texts } from '../../fields.ts';
import { scopesOf, toFqdn } from '../../host-index.ts';
import type { Resource } from '../../resource.ts';

/** IST0109: several VirtualServices of the mesh define the same host for the same namespaces. */
export const meshHosts: Analyzer = {
  name: 'virtualservice.ConflictingMeshGatewayHostsAnalyzer',
  description: 'Checks if multiple virtual services associated with the mesh gateway have conflicting hosts',
  inputs: ['VirtualService'],
  codes: ['IST0109'],
  analyze(view, report) {
    const byHost = new Map<string, { scope: string; host: string; resources: Resource[] }>();
    for (const resource of view.all('VirtualService')) {
      const gateways = texts(resource.spec['gateways']);
      if (gateways.length > 0 && !gateways.includes('mesh')) continue;
      for (const scope of scopesOf(texts(resource.spec['exportTo']), resource.namespace)) {
        for (const name of texts(resource.spec['hosts'])) {
          const host = toFqdn(resource.namespace, name, view.domain);
          const entry = byHost.get(`${scope}/${host}`);
          if (entry === undefined) byHost.set(`${scope}/${host}`, { scope, host, resources: [resource] });
          else entry.resources.push(resource);
        }
      }
    }
    const entries = [...byHost].sort(([a], [b]) => (a < b ? -1 : 1));
    const everywhere = entries.filter(([, { scope }]) => scope === '*');
    const reported = new Set<Resource>();
    for (const [key, { scope, host, resources }] of entries) {
      const others =
        scope === '*' ? [] : everywhere.filter(([, entry]) => hostsOverlap(host, entry.host)).flatMap(([, entry]) => entry.resources);
      const all = [...resources, ...others];
      if (all.length < 2) continue;
      const names = all.map(({ fullName }) => fullName).sort();
      for (const resource of all) {
        if (reported.has(resource)) continue;
        reported.add(resource);
        report('IST0109', resource, [names.join(','), key], 'metadata.name');
      }
    }
  },
};
