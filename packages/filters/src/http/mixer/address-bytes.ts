import { isIPv4, isIPv6 } from 'node:net';

/** The 4 or 16 bytes of a textual address; undefined when it is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (isIPv4(text)) return Uint8Array.from(text.split('.').map(Number));
  if (!isIPv6(text)) return undefined;
  const [head = '', tail] = text.replace(/%.*$/, '').split('::');
  const groups = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)];
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
          return [a * 256 + b, c * 256 + d];
        });
  const [first, last] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => 0), ...last];
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 255]));
}

const maxAddresses = 4096;
const addresses = new Map<string, Uint8Array | undefined>();

/** As `addressBytes`: the same few callers come again and again. */
export function knownAddress(text: string): Uint8Array | undefined {
  const known = addresses.get(text);
  if (known !== undefined || addresses.has(text)) return known;
  if (addresses.size >= maxAddresses) addresses.clear();
  const bytes = addressBytes(text);
  addresses.set(text, bytes);
  return bytes;
}
