import { isIPv6 } from 'node:net';
import type { BindConfig } from '@xebec/protos/envoy/config/core/v3/address';

/** An own address to connect from; port 0 is any. */
export interface SourceAddress {
  readonly address: string;
  readonly port: number;
}

/** Own addresses in order; the first of the target's family is used. */
export type SourceAddresses = readonly SourceAddress[];

/** Reads `upstream_bind_config`; undefined leaves the choice to the system. */
export function compileSourceAddresses(config: BindConfig | undefined): SourceAddresses | undefined {
  if (config?.sourceAddress === undefined) return undefined;
  const extra = config.extraSourceAddresses.flatMap(({ address }) => address ?? []);
  return [config.sourceAddress, ...extra, ...config.additionalSourceAddresses].map(({ address, portSpecifier }) => ({
    address,
    port: portSpecifier.case === 'portValue' ? portSpecifier.value : 0,
  }));
}

/** What to bind to for a connection to `target`, in the words of node:net. One of another family makes the connection fail. */
export function bindFor(
  sources: SourceAddresses | undefined,
  target: string,
): { readonly localAddress?: string; readonly localPort?: number } {
  const source = sources?.find(({ address }) => isIPv6(address) === isIPv6(target)) ?? sources?.[0];
  if (source === undefined) return {};
  return { localAddress: source.address, ...(source.port === 0 ? {} : { localPort: source.port }) };
}
