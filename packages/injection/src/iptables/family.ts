/** What differs between the rules of the two address families. */
export interface Family {
  readonly name: 'ipv4' | 'ipv6';
  readonly loopback: string;
  /** The address from which the proxy calls the application without being captured. */
  readonly passthroughSource: string;
  readonly everything: string;
  readonly hostSuffix: string;
}

export const families: Readonly<Record<Family['name'], Family>> = {
  ipv4: { name: 'ipv4', loopback: '127.0.0.1/32', passthroughSource: '127.0.0.6/32', everything: '0.0.0.0/0', hostSuffix: '/32' },
  ipv6: { name: 'ipv6', loopback: '::1/128', passthroughSource: '::6/128', everything: '::/0', hostSuffix: '/128' },
};

/** Of an address or a CIDR. */
export function addressFamily(address: string): Family['name'] {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
