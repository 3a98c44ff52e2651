import { XebecError } from '@xebec/core';
import type { Address } from '@xebec/protos/envoy/config/core/v3/address';

/** Where a socket connects to or listens on. */
export type EndpointAddress =
  | { readonly kind: 'tcp'; readonly address: string; readonly port: number }
  | { readonly kind: 'pipe'; readonly path: string };

/** Reads `envoy.config.core.v3.Address`; throws XebecError `E_CONFIG` naming `where` for what has no meaning here. */
export function endpointAddress(proto: Address | undefined, where: string): EndpointAddress {
  const kind = proto?.address;
  if (kind?.case === 'pipe') return { kind: 'pipe', path: kind.value.path };
  if (kind?.case === 'socketAddress') {
    const port = kind.value.portSpecifier;
    if (port.case === 'namedPort')
      throw new XebecError('E_CONFIG', `${where}: named_port "${port.value}" is not supported; use port_value`);
    return { kind: 'tcp', address: kind.value.address, port: port.value ?? 0 };
  }
  throw new XebecError('E_CONFIG', `${where}: address is missing or of an unsupported kind; use socket_address or pipe`);
}

/** `10.0.0.1:80`, `[::1]:80` or a socket's path. */
export function addressText(address: EndpointAddress): string {
  return address.kind === 'pipe' ? address.path : hostPortText(address.address, address.port);
}

export function hostPortText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** IPv4 peers of a dual-stack socket appear as `::ffff:1.2.3.4`: the plain form is what rules and logs speak of. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
