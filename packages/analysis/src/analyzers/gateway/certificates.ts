import type { Analyzer } from '../../analyzer.ts';
import { type Fields, given, records, text } from '../../fields.ts';
import { selects } from '../../selectors.ts';
import { gatewaySelector } from './selector-text.ts';

/** IST0138: two gateways of the same workload serve one certificate; a client may send requests for one over a connection to the other. */
export const gatewayCertificates: Analyzer = {
  name: 'gateway.CertificateAnalyzer',
  description: 'Checks a gateway certificate',
  inputs: ['Gateway'],
  codes: ['IST0138'],
  analyze(view, report) {
    const gateways = view.all('Gateway').map((resource) => ({
      resource,
      selector: gatewaySelector(resource),
      identities: new Set(records(resource.spec['servers']).flatMap((server) => certificateOf(given(server['tls'])) ?? [])),
    }));
    const withTls = gateways.filter(({ identities }) => identities.size > 0);
    for (const current of withTls) {
      for (const other of withTls) {
        if (other === current || !selects(current.selector, other.selector)) continue;
        if (![...current.identities].some((identity) => other.identities.has(identity))) continue;
        report('IST0138', current.resource, [[current.resource.fullName, other.resource.fullName]], 'metadata.name');
      }
    }
  },
};

/** What tells certificates apart: the name of the credential, or the files. */
function certificateOf(tls: Fields | undefined): string | undefined {
  if (tls === undefined) return undefined;
  const credential = text(tls['credentialName']);
  if (credential !== '') return `credential ${credential}`;
  const [certificate, key] = [text(tls['serverCertificate']), text(tls['privateKey'])];
  return certificate === '' || key === '' ? undefined : `files ${certificate} ${key}`;
}
