import type { Socket } from 'node:net';
import {
  ProxyProtocolPassThroughTLVs_PassTLVsMatchType as PassMatch,
  type ProxyProtocolConfig,
  ProxyProtocolConfig_Version,
} from '@xebec/protos/envoy/config/core/v3/proxy_protocol';
import type { ConnectionInfo } from '@xebec/telemetry';
import { encodeProxyHeader, type ProxyTlv } from '@xebec/wire';
import { plainAddress } from '../net/endpoint-address.ts';

/** The PROXY protocol header for a connection that has just been made, on behalf of a client's connection or of the proxy itself. */
export type ProxyHeaderWriter = (socket: Socket, downstream: ConnectionInfo | undefined) => Buffer;

/** Compiles `envoy.config.core.v3.ProxyProtocolConfig`. */
export function compileProxyHeader(config: ProxyProtocolConfig | undefined): ProxyHeaderWriter {
  const { version, added } = ownParts(config);
  const forClient = compileClientHeader(config);
  return (socket, downstream) => {
    if (downstream !== undefined) return forClient(downstream);
    return encodeProxyHeader(
      version,
      {
        sourceAddress: plainAddress(socket.localAddress),
        sourcePort: socket.localPort ?? 0,
        destinationAddress: plainAddress(socket.remoteAddress),
        destinationPort: socket.remotePort ?? 0,
      },
      added,
    );
  };
}

/** The same for what is always said on behalf of a client's connection. */
export function compileClientHeader(config: ProxyProtocolConfig | undefined): (downstream: ConnectionInfo) => Buffer {
  const { version, added } = ownParts(config);
  const pass = config?.passThroughTlvs;
  const passes = (type: number): boolean => pass !== undefined && (pass.matchType === PassMatch.INCLUDE_ALL || pass.tlvType.includes(type));
  return (downstream) => {
    const own = new Set(added.map(({ type }) => type));
    const passed = (downstream.proxyTlvs ?? []).filter(({ type }) => passes(type) && !own.has(type));
    return encodeProxyHeader(
      version,
      {
        sourceAddress: downstream.remoteAddress,
        sourcePort: downstream.remotePort,
        destinationAddress: downstream.localAddress,
        destinationPort: downstream.localPort,
      },
      [...added, ...passed],
    );
  };
}

function ownParts(config: ProxyProtocolConfig | undefined): { readonly version: 1 | 2; readonly added: readonly ProxyTlv[] } {
  return {
    version: config?.version === ProxyProtocolConfig_Version.V2 ? 2 : 1,
    added: (config?.addedTlvs ?? []).map(({ type, value }) => ({ type, value: Buffer.from(value) })),
  };
}
