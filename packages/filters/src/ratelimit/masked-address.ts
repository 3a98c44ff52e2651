import { isIPv4 } from 'node:net';

/** The network of an address in CIDR notation, as Envoy prints it: `10.1.2.3` with 16 bits is `10.1.0.0/16`. */
export function maskedAddress(address: string, v4Bits: number, v6Bits: number): string {
  if (isIPv4(address)) {
    const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    const masked = v4Bits === 0 ? 0 : (number & (0xffffffff << (32 - v4Bits))) >>> 0;
    return `${[24, 16, 8, 0].map((shift) => (masked >>> shift) & 255).join('.')}/${v4Bits}`;
  }
  const groups = expand(address);
  const masked = groups.map((group, i) => {
    const bits = Math.max(0, Math.min(16, v6Bits - i * 16));
    return group & ((0xffff << (16 - bits)) & 0xffff);
  });
  // The URL parser writes the canonical form (RFC 5952).
  return `${new URL(`http://[${masked.map((group) => group.toString(16)).join(':')}]`).hostname.slice(1, -1)}/${v6Bits}`;
}

/** The eight groups of an IPv6 address. */
function expand(address: string): number[] {
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const numbers = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const before = numbers(head);
  const after = tail === undefined ? [] : numbers(tail);
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
}
