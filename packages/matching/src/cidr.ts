import { XebecError } from '@xebec/core';
import ipaddr from 'ipaddr.js';

export type AddressPredicate = (address: string) => boolean;

function parse(address: string): Uint8Array | undefined {
  if (!ipaddr.isValid(address)) return undefined;
  // ::ffff:1.2.3.4, as dual-stack sockets report, is the IPv4 address.
  return Uint8Array.from(ipaddr.process(address).toByteArray());
}

/** Compiles ranges into one predicate on textual addresses; throws XebecError `E_CIDR` naming a bad one. */
export function compileCidrs(ranges: readonly { addressPrefix: string; prefixLen: number }[]): AddressPredicate {
  const compiled = ranges.map(({ addressPrefix, prefixLen }) => {
    const bytes = parse(addressPrefix);
    if (bytes === undefined || prefixLen < 0 || prefixLen > bytes.length * 8) {
      throw new XebecError('E_CIDR', `address range "${addressPrefix}/${prefixLen}" is not valid`);
    }
    return { bytes, prefixLen };
  });
  return (address) => {
    const bytes = parse(address);
    return bytes !== undefined && compiled.some((range) => contains(range.bytes, range.prefixLen, bytes));
  };
}

/** Takes Envoy's CidrRange and xDS's. */
export function compileCidr(range: { readonly addressPrefix: string; readonly prefixLen?: number | undefined }): AddressPredicate {
  return compileCidrs([{ addressPrefix: range.addressPrefix, prefixLen: range.prefixLen ?? 0 }]);
}

function contains(network: Uint8Array, prefixLen: number, address: Uint8Array): boolean {
  if (network.length !== address.length) return false;
  const whole = prefixLen >> 3;
  for (let i = 0; i < whole; i++) if (network[i] !== address[i]) return false;
  const rest = prefixLen & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((network[whole] ?? 0) & mask) === ((address[whole] ?? 0) & mask);
}
