import type { Analyzer } from '../../analyzer.ts';
import { record, records, stringMap, text } from '../../fields.ts';

/** IST0134: without address, TCP to a ServiceEntry cannot be told from TCP to another. */
export const serviceEntryAddresses: Analyzer = {
  name: 'serviceentry.Analyzer',
  description: 'Checks the validity of ServiceEntry',
  inputs: ['ServiceEntry'],
  codes: ['IST0134'],
  analyze(view, report) {
    const metadata = stringMap(record(view.meshConfig['defaultConfig'])['proxyMetadata']);
    const allocated =
      metadata['ISTIO_META_DNS_CAPTURE'] === 'true' &&
      (metadata['ISTIO_META_DNS_AUTO_ALLOCATE'] === 'true' || metadata['PILOT_ENABLE_IP_AUTOALLOCATE'] === 'true');
    if (allocated) return;
    for (const resource of view.all('ServiceEntry')) {
      const { addresses, ports } = resource.spec;
      if ((Array.isArray(addresses) && addresses.length > 0) || records(resource.status['addresses']).length > 0) continue;
      for (const [index, port] of records(ports).entries()) {
        const protocol = text(port['protocol']).toUpperCase();
        if (protocol === '' || protocol === 'TCP') report('IST0134', resource, [], `spec.ports[${index}].name`);
      }
    }
  },
};
