/** A type-length-value of PROXY protocol version 2. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Buffer;
}

/** Ends of the connection that a proxy before this one accepted. */
export interface ProxiedAddresses {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

/** A header of the PROXY protocol. `addresses` is undefined for LOCAL and UNKNOWN: the connection speaks for itself. */
export interface ProxyHeader {
  readonly version: 1 | 2;
  readonly addresses: ProxiedAddresses | undefined;
  readonly tlvs: readonly ProxyTlv[];
  /** How many bytes the header took. */
  readonly length: number;
}

/** `none`: the connection does not begin with a header. */
export type ProxyHeaderResult =
  | { readonly kind: 'header'; readonly header: ProxyHeader }
  | { readonly kind: 'need-more' }
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed'; readonly version: 1 | 2; readonly reason: string };

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const versionOneStart = Buffer.from('PROXY ', 'latin1');
const maxVersionOneBytes = 107;
const fixedBytes = 16;
const maxTlvs = 1024;
const INET = 1;
const INET6 = 2;
const STREAM = 1;
const DATAGRAM = 2;

/** Reads the PROXY protocol header (versions 1 and 2 of its specification) at the beginning of a connection. */
export function parseProxyHeader(bytes: Buffer): ProxyHeaderResult {
  if (startsLike(bytes, signature)) return bytes.length < fixedBytes ? { kind: 'need-more' } : parseVersionTwo(bytes);
  if (startsLike(bytes, versionOneStart)) return bytes.length < versionOneStart.length ? { kind: 'need-more' } : parseVersionOne(bytes);
  return { kind: 'none' };
}

/** Whether what there is of `bytes` agrees with `start`. */
function startsLike(bytes: Buffer, start: Buffer): boolean {
  const compared = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, compared, 0, compared) === 0;
}

function malformed(version: 1 | 2, reason: string): ProxyHeaderResult {
  return { kind: 'malformed', version, reason };
}

function parseVersionOne(bytes: Buffer): ProxyHeaderResult {
  const end = bytes.subarray(0, maxVersionOneBytes).indexOf('\r\n', 0, 'latin1');
  if (end < 0) {
    return bytes.length >= maxVersionOneBytes || bytes.includes(10)
      ? malformed(1, 'the line does not end with CR LF within 107 bytes')
      : { kind: 'need-more' };
  }
  const length = end + 2;
  const words = bytes.toString('latin1', 0, end).split(' ');
  if (words[1] === 'UNKNOWN') return { kind: 'header', header: { version: 1, addresses: undefined, tlvs: [], length } };
  const [, family, sourceAddress = '', destinationAddress = '', source = '', destination = ''] = words;
  const valid = family === 'TCP4' ? isIpv4 : family === 'TCP6' ? isIpv6 : undefined;
  if (valid === undefined) return malformed(1, 'the family is not TCP4, TCP6 or UNKNOWN');
  if (words.length !== 6 || !valid(sourceAddress) || !valid(destinationAddress)) return malformed(1, 'an address does not fit the family');
  const [sourcePort, destinationPort] = [portOf(source), portOf(destination)];
  if (sourcePort === undefined || destinationPort === undefined) return malformed(1, 'a port is not a number up to 65535');
  const addresses = {
    sourceAddress: canonical(sourceAddress),
    sourcePort,
    destinationAddress: canonical(destinationAddress),
    destinationPort,
  };
  return { kind: 'header', header: { version: 1, addresses, tlvs: [], length } };
}

function parseVersionTwo(bytes: Buffer): ProxyHeaderResult {
  const command = bytes.readUInt8(12);
  const family = bytes.readUInt8(13) >> 4;
  const transport = bytes.readUInt8(13) & 0x0f;
  const bodyLength = bytes.readUInt16BE(14);
  if (command >> 4 !== 2) return malformed(2, 'the version is not 2');
  const local = (command & 0x0f) === 0;
  if (!local && (command & 0x0f) !== 1) return malformed(2, 'the command is neither LOCAL nor PROXY');
  const addressBytes = family === INET ? 12 : family === INET6 ? 36 : 0;
  if (!local) {
    if (addressBytes === 0 || (transport !== STREAM && transport !== DATAGRAM)) return malformed(2, 'the address family is not supported');
    if (bodyLength < addressBytes) return malformed(2, 'the header is shorter than its addresses');
  }
  const length = fixedBytes + bodyLength;
  if (bytes.length < length) return { kind: 'need-more' };
  if (local) return { kind: 'header', header: { version: 2, addresses: undefined, tlvs: [], length } };
  const tlvs = parseTlvs(bytes.subarray(fixedBytes + addressBytes, length));
  if (tlvs === undefined) return malformed(2, 'a type-length-value does not fit the header');
  const ports = fixedBytes + addressBytes - 4;
  const addresses = {
    sourceAddress: addressAt(bytes, fixedBytes, family),
    sourcePort: bytes.readUInt16BE(ports),
    destinationAddress: addressAt(bytes, fixedBytes + (addressBytes - 4) / 2, family),
    destinationPort: bytes.readUInt16BE(ports + 2),
  };
  return { kind: 'header', header: { version: 2, addresses, tlvs, length } };
}

function parseTlvs(bytes: Buffer): ProxyTlv[] | undefined {
  const tlvs: ProxyTlv[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes.length - at < 3 || tlvs.length >= maxTlvs) return undefined;
    const from = at + 3;
    const to = from + bytes.readUInt16BE(at + 1);
    if (to > bytes.length) return undefined;
    tlvs.push({ type: bytes.readUInt8(at), value: bytes.subarray(from, to) });
    at = to;
  }
  return tlvs;
}

function addressAt(bytes: Buffer, at: number, family: number): string {
  if (family === INET) return bytes.subarray(at, at + 4).join('.');
  return canonical(Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(at + 2 * group).toString(16)).join(':'));
}

/** IPv6 in its shortest form (RFC 5952); IPv4 as it is. */
function canonical(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

function isIpv4(text: string): boolean {
  return (
    /^(\d{1,3})(\.\d{1,3}){3}$/.test(text) && text.split('.').every((part) => Number(part) <= 255 && (part === '0' || part[0] !== '0'))
  );
}

function isIpv6(text: string): boolean {
  return /^[0-9a-fA-F:.]{2,45}$/.test(text) && text.includes(':') && URL.canParse(`http://[${text}]`);
}

function portOf(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

/** The header that tells the next server whose connection this is. Without addresses: UNKNOWN, or LOCAL in version 2. */
export function encodeProxyHeader(version: 1 | 2, addresses: ProxiedAddresses | undefined, tlvs: readonly ProxyTlv[] = []): Buffer {
  if (version === 1) {
    if (addresses === undefined) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
    const family = addresses.sourceAddress.includes(':') ? 'TCP6' : 'TCP4';
    const { sourceAddress, destinationAddress, sourcePort, destinationPort } = addresses;
    return Buffer.from(`PROXY ${family} ${sourceAddress} ${destinationAddress} ${sourcePort} ${destinationPort}\r\n`, 'latin1');
  }
  if (addresses === undefined) return Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])]);
  const six = addresses.sourceAddress.includes(':');
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(addresses.sourcePort, 0);
  ports.writeUInt16BE(addresses.destinationPort, 2);
  const extra = tlvs.flatMap(({ type, value }) => [Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
  const body = Buffer.concat([addressBytesOf(addresses.sourceAddress), addressBytesOf(addresses.destinationAddress), ports, ...extra]);
  const head = Buffer.from([0x21, six ? 0x21 : 0x11, body.length >> 8, body.length & 0xff]);
  return Buffer.concat([signature, head, body]);
}

function addressBytesOf(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  // An IPv4 tail counts as two groups.
  const plain = canonical(address);
  const [left = '', right] = plain.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(left), right === undefined ? [] : groups(right)];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => '0'), ...after];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * index);
  return bytes;
}
