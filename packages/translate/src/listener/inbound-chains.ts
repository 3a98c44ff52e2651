import { type InboundMutualTls, isHttp, type Protocol } from '@xebec/model';
import type { FilterChainMatchSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { Fields } from '../envoy/any.ts';

/** One way in: how the connection must look, whether mTLS is terminated, and what is expected inside. */
export interface InboundChain {
  readonly match: Fields<typeof FilterChainMatchSchema>;
  readonly terminateMtls: boolean;
  readonly inside: 'http' | 'tcp';
}

const MTLS_HTTP = ['istio-http/1.0', 'istio-http/1.1', 'istio-h2'];
const MTLS_TCP = ['istio-peer-exchange', 'istio'];
const MTLS_ALL = ['istio', 'istio-peer-exchange', ...MTLS_HTTP];
const PLAIN_HTTP = ['http/1.1', 'h2c'];

const tls = (applicationProtocols: string[] = []) => ({ transportProtocol: 'tls', applicationProtocols });
const raw = (applicationProtocols: string[] = []) => ({ transportProtocol: 'raw_buffer', applicationProtocols });

/** The one chain of a port whose TLS is the user's own (a Sidecar's `ingress.tls`) and ends here. */
export function ownTlsChains(protocol: Protocol): InboundChain[] {
  return [{ match: tls(), terminateMtls: true, inside: isHttp(protocol) ? 'http' : 'tcp' }];
}

/**
 * The filter chains of an inbound port (Istio `filterchain_options.go`). Callers inside the mesh say by ALPN that they are
 * sidecars, so PERMISSIVE can tell mesh mTLS from TLS that the application itself terminates.
 */
export function inboundChains(mode: InboundMutualTls, protocol: Protocol): InboundChain[] {
  const kind = isHttp(protocol) ? 'http' : protocol === 'auto' ? 'auto' : 'tcp';
  switch (mode) {
    case 'PERMISSIVE':
      return permissive(kind);
    case 'STRICT':
      if (kind === 'auto')
        return [
          { match: tls(MTLS_HTTP), terminateMtls: true, inside: 'http' },
          { match: tls(), terminateMtls: true, inside: 'tcp' },
        ];
      return [{ match: tls(), terminateMtls: true, inside: kind }];
    case 'DISABLE':
      if (kind === 'http') return [{ match: raw(), terminateMtls: false, inside: 'http' }];
      if (kind === 'tcp') return [{ match: raw(), terminateMtls: false, inside: 'tcp' }];
      return [
        { match: raw(PLAIN_HTTP), terminateMtls: false, inside: 'http' },
        { match: raw(), terminateMtls: false, inside: 'tcp' },
      ];
  }
}

function permissive(kind: 'http' | 'tcp' | 'auto'): InboundChain[] {
  if (kind === 'http')
    return [
      { match: tls(MTLS_ALL), terminateMtls: true, inside: 'http' },
      { match: raw(), terminateMtls: false, inside: 'http' },
    ];
  if (kind === 'tcp')
    return [
      { match: tls(MTLS_ALL), terminateMtls: true, inside: 'tcp' },
      { match: raw(), terminateMtls: false, inside: 'tcp' },
      { match: tls(), terminateMtls: false, inside: 'tcp' },
    ];
  return [
    { match: tls(MTLS_HTTP), terminateMtls: true, inside: 'http' },
    { match: raw(PLAIN_HTTP), terminateMtls: false, inside: 'http' },
    { match: tls(MTLS_TCP), terminateMtls: true, inside: 'tcp' },
    { match: raw(), terminateMtls: false, inside: 'tcp' },
    { match: tls(), terminateMtls: false, inside: 'tcp' },
  ];
}
