import type { Analyzer } from '../../analyzer.ts';
import { record, records, text } from '../../fields.ts';
import { selectorText } from '../../selectors.ts';
import { readCertificates, secretCredential } from '../secret-certificate.ts';
import { gatewaySelector, gatewaySelectorPath } from './selector-text.ts';

/** IST0101 for credentials that do not exist, IST0161 for those that hold no valid certificate. */
export const gatewaySecrets: Analyzer = {
  name: 'gateway.SecretAnalyzer',
  description: "Checks a gateway's referenced secrets for correctness",
  inputs: ['Gateway', 'Pod', 'Secret'],
  codes: ['IST0101', 'IST0161'],
  analyze(view, report) {
    for (const resource of view.all('Gateway')) {
      const selector = gatewaySelector(resource);
      const namespace = view.workloads.select(selector)[0]?.namespace;
      if (namespace === undefined) {
        report('IST0101', resource, ['selector', selectorText(selector)], gatewaySelectorPath(resource));
        continue;
      }
      if (!view.knows('Secret')) continue;
      for (const [index, server] of records(resource.spec['servers']).entries()) {
        const name = text(record(server['tls'])['credentialName']);
        if (name === '') continue;
        const path = `spec.servers[${index}].tls.credentialName`;
        const secret = view.find('Secret', name.includes('/') ? name : `${namespace}/${name}`);
        if (secret === undefined) report('IST0101', resource, ['credentialName', name], path);
        else if (!isValid(secretCredential(secret.content), view.now)) report('IST0161', resource, [resource.name, namespace], path);
      }
    }
  },
};

function isValid(credential: { certificate: string; key: string } | undefined, now: number | undefined): boolean {
  if (credential === undefined || credential.key === '') return false;
  const [first] = readCertificates(credential.certificate);
  return first !== undefined && (now === undefined || (first.notBefore <= now && now <= first.notAfter));
}
