import { FilterConfigSchema, FilterConfig_Protocol as Protocol } from '@xebec/protos/istio/filters/alpn';
import { decodeConfig } from '../../decode.ts';
import { type HttpFilterDefinition, passiveFilter } from '../../http-filter.ts';
import { upstreamAlpnKey } from '../../network-filter.ts';

const protocols: Readonly<Record<string, Protocol>> = {
  'HTTP/1.0': Protocol.HTTP10,
  'HTTP/1.1': Protocol.HTTP11,
  'HTTP/2': Protocol.HTTP2,
};

/**
 * Tells the upstream TLS handshake which protocols to offer, so that the peer's sidecar knows that it talks to a sidecar:
 * the list for the request's own version under `upstreamAlpnKey`, and all lists by version for clusters that speak another.
 */
export const alpnDefinition: HttpFilterDefinition = {
  name: 'istio.alpn',
  typeNames: [FilterConfigSchema.typeName],
  compile(bytes) {
    const overrides = new Map<Protocol, readonly string[]>();
    for (const override of decodeConfig(FilterConfigSchema, bytes).alpnOverride) {
      overrides.set(override.upstreamProtocol, override.alpnOverride);
    }
    const byVersion = new Map<string, readonly string[]>();
    for (const [version, protocol] of Object.entries(protocols)) {
      const list = overrides.get(protocol);
      if (list !== undefined) byVersion.set(version, list);
    }
    return {
      // All is known before the request passes any filter.
      create({ info, request }) {
        const list = byVersion.get(request.version);
        if (list !== undefined) info.filterState.set(upstreamAlpnKey, list);
        info.filterState.set(upstreamAlpnByVersionKey, byVersion);
        return passiveFilter;
      },
    };
  },
};

/** `filterState` key: a map from upstream HTTP version (`HTTP/2`) to the ALPN list to offer. */
export const upstreamAlpnByVersionKey = 'istio.alpn.by_version';
