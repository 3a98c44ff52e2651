import { BlockList } from 'node:net';

/**
 * Addresses of a block, handed out one after the other. One that was given back is not the next: names that led to it are still
 * remembered by those who asked.
 */
export class AddressPool {
  readonly #first: bigint;
  readonly #last: bigint;
  readonly #six: boolean;
  readonly #block = new BlockList();
  #next: bigint;

  /** `prefix` is a CIDR block; its first address is never given. */
  constructor(prefix: string) {
    const [base = '', length = ''] = prefix.split('/');
    this.#six = base.includes(':');
    const size = 1n << BigInt((this.#six ? 128 : 32) - Number(length));
    const start = (toNumber(base) / size) * size;
    this.#first = start + 1n;
    this.#last = start + size - 1n;
    this.#next = this.#first;
    this.#block.addSubnet(base, Number(length), this.#six ? 'ipv6' : 'ipv4');
  }
  contains(address: string): boolean {
    return address.includes(':') === this.#six && this.#block.check(address, this.#six ? 'ipv6' : 'ipv4');
  }
  /** The next address that is not `used`; undefined when all are. */
  take(used: ReadonlySet<string>): string | undefined {
    const from = this.#next;
    do {
      const address = toText(this.#next, this.#six);
      this.#next = this.#next === this.#last ? this.#first : this.#next + 1n;
      if (!used.has(address)) return address;
    } while (this.#next !== from);
    return undefined;
  }
}

/** The address in the form that `AddressPool` gives out: two spellings of one IPv6 address are the same. */
export function canonicalAddress(address: string): string {
  return address.includes(':') ? toText(toNumber(address), true) : address;
}

function toNumber(address: string): bigint {
  if (!address.includes(':')) return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = '', tail] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').flatMap((group) => (group.includes('.') ? mapped(group) : [group])));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'), ...right];
  return all.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

/** The two groups of an IPv4 address inside an IPv6 one. */
function mapped(address: string): string[] {
  const number = toNumber(address);
  return [(number >> 16n).toString(16), (number & 0xffffn).toString(16)];
}

function toText(number: bigint, six: boolean): string {
  if (!six) return [24n, 16n, 8n, 0n].map((shift) => ((number >> shift) & 255n).toString()).join('.');
  const groups = Array.from({ length: 8 }, (_, index) => ((number >> BigInt(16 * (7 - index))) & 0xffffn).toString(16));
  // The longest run of zeros is left out, the first of two (RFC 5952).
  const runs = [...groups.join(':').matchAll(/(?<![0-9a-f])0(?::0)+(?![0-9a-f])/g)].sort((a, b) => b[0].length - a[0].length);
  const [longest] = runs;
  if (longest === undefined) return groups.join(':');
  const text = groups.join(':');
  const before = text.slice(0, longest.index).replace(/:$/, '');
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '');
  return `${before}::${after}`;
}
