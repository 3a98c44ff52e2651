import type { Analyzer } from '../../analyzer.ts';
import { type Fields, given, integer, record, records, text } from '../../fields.ts';

/** IST0128 and IST0129: TLS is originated and nothing says whose certificates to trust. */
export const caCertificates: Analyzer = {
  name: 'destinationrule.CaCertificateAnalyzer',
  description: 'Checks if caCertificates is set when TLS mode is SIMPLE/MUTUAL',
  inputs: ['DestinationRule'],
  codes: ['IST0128', 'IST0129'],
  analyze(view, report) {
    for (const resource of view.all('DestinationRule')) {
      const { spec, fullName, namespace } = resource;
      const policy = record(spec['trafficPolicy']);
      const hasSelector = given(spec['workloadSelector']) !== undefined;
      const host = text(spec['host']);
      const mode = unverifiedMode(record(policy['tls']), hasSelector);
      if (mode !== undefined) report('IST0128', resource, [fullName, namespace, mode, host], 'spec.trafficPolicy.tls.caCertificates');
      for (const [index, settings] of records(policy['portLevelSettings']).entries()) {
        const portMode = unverifiedMode(record(settings['tls']), hasSelector);
        if (portMode === undefined) continue;
        const port = `number:${integer(record(settings['port'])['number'])}`;
        const path = `spec.trafficPolicy.portLevelSettings[${index}].tls.caCertificates`;
        report('IST0129', resource, [fullName, namespace, portMode, host, port], path);
      }
    }
  },
};

/** The mode of settings that verify nothing, or undefined. A credential brings its CA where the rule selects workloads. */
function unverifiedMode(tls: Fields, hasSelector: boolean): string | undefined {
  const mode = text(tls['mode']);
  if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return undefined;
  if (text(tls['caCertificates']) !== '' || (text(tls['credentialName']) !== '' && hasSelector)) return undefined;
  return mode;
}
