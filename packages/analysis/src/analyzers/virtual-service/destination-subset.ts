import type { Analyzer } from '../../analyzer.ts';
import { records, text } from '../../fields.ts';
import { serviceOfHost } from '../../host-index.ts';
import { destinationsOf, hostOf, subsetOf } from './destinations.ts';

/** IST0101 for subsets that no DestinationRule defines. */
export const destinationSubset: Analyzer = {
  name: 'virtualservice.DestinationRuleAnalyzer',
  description: 'Checks the destination rules associated with each virtual service',
  inputs: ['VirtualService', 'DestinationRule'],
  codes: ['IST0101'],
  analyze(view, report) {
    const defined = new Set(
      view
        .all('DestinationRule')
        .flatMap(({ spec, namespace }) =>
          records(spec['subsets']).map((subset) => `${serviceOfHost(namespace, text(spec['host']), view.domain)}+${text(subset['name'])}`),
        ),
    );
    for (const resource of view.all('VirtualService')) {
      for (const { destination, mirror, path } of destinationsOf(resource.spec)) {
        const host = hostOf(destination);
        const subset = subsetOf(destination);
        if (subset === '' || defined.has(`${serviceOfHost(resource.namespace, host, view.domain)}+${subset}`)) continue;
        report('IST0101', resource, [`${mirror ? 'mirror' : 'host'}+subset in destinationrule`, `${host}+${subset}`], path);
      }
    }
  },
};
