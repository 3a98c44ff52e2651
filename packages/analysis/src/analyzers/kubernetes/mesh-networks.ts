import type { Analyzer } from '../../analyzer.ts';
import { record, records, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';

const REGISTRIES = ['Mock', 'Kubernetes', 'External'];

/** IST0126: networks whose endpoints come from a registry that does not exist. */
export const meshNetworks: Analyzer = {
  name: 'meshnetworks.MeshNetworksAnalyzer',
  description: 'Check the validity of MeshNetworks in the cluster',
  inputs: ['Secret'],
  codes: ['IST0126'],
  analyze(view, report) {
    const remote = view.all('Secret').filter(({ labels }) => labels['istio/multiCluster'] === 'true');
    const known = new Set([...REGISTRIES, ...remote.flatMap(({ content }) => Object.keys(record(content['data'])))]);
    for (const [network, value] of Object.entries(record(view.meshNetworks['networks'])))
      for (const [index, endpoint] of records(record(value)['endpoints']).entries()) {
        const registry = text(endpoint['fromRegistry']);
        if (registry === '' || known.has(registry)) continue;
        report('IST0126', networksResource(view.rootNamespace), [registry, network], `networks.${network}.endpoints[${index}]`);
      }
  },
};

/** The networks are no object of their own: messages name what istioctl names. */
function networksResource(namespace: string): Pick<Resource, 'subject'> {
  return { subject: { kind: 'MeshNetworks', namespace, name: 'meshnetworks' } };
}
