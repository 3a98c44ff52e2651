import { hostCovers } from '@xebec/model';
import type { Analyzer } from '../../analyzer.ts';
import { texts } from '../../fields.ts';
import { toFqdn } from '../../host-index.ts';

/** XB0004: inside the mesh a VirtualService acts on hosts of services alone; a name that only exists at a gateway needs `gateways`. */
export const unresolvedHosts: Analyzer = {
  name: 'xebec.UnresolvedHostAnalyzer',
  description: 'Finds hosts of VirtualServices that no service of the mesh has',
  inputs: ['VirtualService', 'Service', 'ServiceEntry'],
  codes: ['XB0004'],
  analyze(view, report) {
    if (!view.knows('Service')) return;
    const names = view.hosts.all.map(({ hostname }) => hostname);
    for (const resource of view.all('VirtualService')) {
      const gateways = texts(resource.spec['gateways']);
      // Where a gateway serves the host too, it is the gateway's affair.
      if (gateways.some((gateway) => gateway !== 'mesh')) continue;
      for (const [index, host] of texts(resource.spec['hosts']).entries()) {
        const fqdn = toFqdn(resource.namespace, host, view.domain);
        const known =
          view.hosts.find(resource.namespace, ['*', '.'], host) !== undefined ||
          (host.startsWith('*') && names.some((name) => hostCovers(fqdn, name)));
        if (!known) report('XB0004', resource, [host], `spec.hosts[${index}]`);
      }
    }
  },
};
