import type { Analyzer } from '../../analyzer.ts';
import { type Fields, given, integer, record, records, text } from '../../fields.ts';
import type { MessageCode } from '../../message-types.ts';

/** IST0151 to IST0155: patches that cannot take effect, or whose effect depends on the order of filters. */
export const envoyPatch: Analyzer = {
  name: 'envoyfilter.EnvoyPatchAnalyzer',
  description: 'Checks an envoyFilters ',
  inputs: ['EnvoyFilter'],
  codes: ['IST0151', 'IST0152', 'IST0153', 'IST0154', 'IST0155'],
  analyze(view, report) {
    // Names of filters that patches for certain proxy versions concern, over all objects before.
    const versioned = new Set<string>();
    for (const resource of view.all('EnvoyFilter')) {
      for (const [index, item] of records(resource.spec['configPatches']).entries()) {
        const patch = given(item['patch']);
        if (patch === undefined) break;
        const name = filterName(item, patch);
        const code = verdict(text(item['applyTo']), text(patch['operation']));
        const path = `spec.configPatches[${index}].patch.value`;
        if (code === 'IST0151') {
          if (integer(resource.spec['priority']) === 0) report(versioned.has(name) ? 'IST0155' : 'IST0151', resource, [], path);
        } else if (code !== undefined) {
          report(code, resource, [], path);
        }
        if (text(record(record(item['match'])['proxy'])['proxyVersion']) !== '') versioned.add(name);
      }
    }
  },
};

function verdict(applyTo: string, operation: string): MessageCode | undefined {
  const routes = applyTo === 'ROUTE_CONFIGURATION' || applyTo === 'HTTP_ROUTE';
  switch (operation) {
    case 'ADD':
      return routes ? 'IST0153' : undefined;
    case 'REMOVE':
      return routes ? 'IST0154' : 'IST0151';
    case 'REPLACE':
      return ['NETWORK_FILTER', 'HTTP_FILTER', 'VIRTUAL_HOST'].includes(applyTo) ? 'IST0151' : 'IST0152';
    case 'INSERT_BEFORE':
    case 'INSERT_AFTER':
      return 'IST0151';
    default:
      return undefined;
  }
}

/** The name that the patch's value gives, else that of the filter it matches; the two are never taken for each other. */
function filterName(item: Fields, patch: Fields): string {
  const value = given(patch['value']);
  if (value === undefined) return '';
  if (value['name'] !== undefined) return `value:${JSON.stringify(value['name'])}`;
  return text(record(record(record(record(item['match'])['listener'])['filterChain'])['filter'])['name']);
}
