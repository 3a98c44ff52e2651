import type { Analyzer } from '../../analyzer.ts';
import { record, records, stringMap, texts } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { type Labels, selects } from '../../selectors.ts';
import { gatewayFullName } from './gateways.ts';

const CLAIM_HEADER = /^@request\.auth\.claims(\..+|\[.+\])$/i;

/** IST0149: routes by the claims of a JWT at gateways whose pods verify none. */
export const jwtClaimRoute: Analyzer = {
  name: 'virtualservice.JWTClaimRouteAnalyzer',
  description: 'Checks the VirtualService using JWT claim based routing has corresponding RequestAuthentication',
  inputs: ['VirtualService', 'RequestAuthentication', 'Gateway', 'Pod'],
  codes: ['IST0149'],
  analyze(view, report) {
    const selectors = new Map<string, Labels[]>();
    for (const { namespace, spec } of view.all('RequestAuthentication')) {
      const list = selectors.get(namespace) ?? [];
      selectors.set(namespace, [...list, stringMap(record(spec['selector'])['matchLabels'])]);
    }
    for (const resource of view.all('VirtualService')) {
      const key = claimKey(resource);
      if (key === undefined) continue;
      for (const name of texts(resource.spec['gateways'])) {
        const fullName = gatewayFullName(resource.namespace, name);
        const gateway = name === 'mesh' ? undefined : view.find('Gateway', fullName);
        if (gateway === undefined) continue;
        for (const { labels, namespace, resource: pod } of view.workloads.select(stringMap(gateway.spec['selector']))) {
          const authenticated = [...(selectors.get(view.rootNamespace) ?? []), ...(selectors.get(namespace) ?? [])];
          if (authenticated.some((selector) => selects(selector, labels))) continue;
          report('IST0149', resource, [key.key, fullName, pod.name], key.path);
        }
      }
    }
  },
};

function claimKey({ spec }: Resource): { key: string; path: string } | undefined {
  for (const [i, rule] of records(spec['http']).entries())
    for (const [j, match] of records(rule['match']).entries())
      for (const field of ['headers', 'withoutHeaders'])
        for (const key of Object.keys(record(match[field])).sort())
          if (CLAIM_HEADER.test(key)) return { key, path: `spec.http[${i}].match[${j}].${field}.${key}` };
  return undefined;
}
