import type { Analyzer } from '../../analyzer.ts';
import { records, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { templateWorkload } from '../../workload-index.ts';

const SHOWN = 5;

/** IST0175: the control plane fetches key sets from wherever policies say, inside the network too. */
export const keySetFetch: Analyzer = {
  name: 'authn.BlockedCIDRsAnalyzer',
  description: 'Checks that BLOCKED_CIDRS_IN_JWKS_URIS is configured on istiod when RequestAuthentication resources exist',
  inputs: ['RequestAuthentication', 'Deployment'],
  codes: ['IST0175'],
  analyze(view, report) {
    const names = view.all('RequestAuthentication').map(({ fullName }) => fullName);
    if (names.length === 0) return;
    const shown = names.slice(0, SHOWN).join(', ');
    const list = names.length > SHOWN ? `${shown}, and ${names.length - SHOWN} more` : shown;
    for (const resource of view.all('Deployment'))
      if (resource.labels['app'] === 'istiod' && !blocksRanges(resource)) report('IST0175', resource, [names.length, list]);
  },
};

function blocksRanges(deployment: Resource): boolean {
  return records(templateWorkload(deployment).pod['containers']).some((container) =>
    records(container['env']).some(({ name, value }) => name === 'BLOCKED_CIDRS_IN_JWKS_URIS' && text(value) !== ''),
  );
}
