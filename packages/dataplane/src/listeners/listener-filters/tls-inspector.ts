import { TlsInspectorSchema } from '@xebec/protos/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector';
import type { StatsScope } from '@xebec/telemetry';
import { parseClientHello } from '@xebec/wire';
import type { Findings, ListenerFilter } from './listener-filter.ts';

export const tlsInspectorType = TlsInspectorSchema.typeName;

/** `envoy.filters.listener.tls_inspector`: server name and ALPN of a ClientHello. JA3 and JA4 fingerprints are not computed. */
export function createTlsInspector(stats: StatsScope): ListenerFilter {
  const scope = stats.scope('tls_inspector');
  const tlsFound = scope.counter('tls_found');
  const tlsNotFound = scope.counter('tls_not_found');
  const alpnFound = scope.counter('alpn_found');
  const alpnNotFound = scope.counter('alpn_not_found');
  const sniFound = scope.counter('sni_found');
  const sniNotFound = scope.counter('sni_not_found');
  const tooLarge = scope.counter('client_hello_too_large');
  return {
    inspect(bytes, findings) {
      const hello = parseClientHello(bytes);
      if (hello === 'need-more') return 'need-more';
      if (hello === 'too-large') {
        tooLarge.add(1);
        return 'close';
      }
      if (hello === 'not-tls') {
        tlsNotFound.add(1);
        findings.transportProtocol = 'raw_buffer';
        return 0;
      }
      tlsFound.add(1);
      (hello.alpn.length > 0 ? alpnFound : alpnNotFound).add(1);
      (hello.sni === undefined ? sniNotFound : sniFound).add(1);
      adopt(hello, findings);
      return 0;
    },
  };
}

function adopt(hello: { readonly sni: string | undefined; readonly alpn: readonly string[] }, findings: Findings): void {
  findings.transportProtocol = 'tls';
  findings.serverName = hello.sni ?? '';
  findings.applicationProtocols = hello.alpn;
}
