import { describe, expect, it } from 'vitest';
import { encodeProxyHeader, parseProxyHeader } from './proxy-protocol.ts';

const addresses = { sourceAddress: '1.2.3.4', sourcePort: 111, destinationAddress: '5.6.7.8', destinationPort: 222 };
const six = { sourceAddress: '2001:db8::1', sourcePort: 111, destinationAddress: '::2', destinationPort: 222 };
const kindOf = (text: string | Buffer) => parseProxyHeader(typeof text === 'string' ? Buffer.from(text, 'latin1') : text).kind;

describe('parseProxyHeader', () => {
  it.each([1, 2] as const)('reads what it writes, version %d, also byte by byte', (version) => {
    for (const ends of [addresses, six, undefined]) {
      const bytes = encodeProxyHeader(version, ends);
      expect(parseProxyHeader(Buffer.concat([bytes, Buffer.from('GET')]))).toEqual({
        kind: 'header',
        header: { version, addresses: ends, tlvs: [], length: bytes.length },
      });
      for (let length = 0; length < bytes.length; length++) expect(kindOf(bytes.subarray(0, length))).toBe('need-more');
    }
  });
  it('reads type-length-values and refuses one that reaches past the header', () => {
    const tlv = { type: 2, value: Buffer.from('example') };
    const bytes = encodeProxyHeader(2, addresses, [tlv]);
    const result = parseProxyHeader(bytes);
    expect(result.kind === 'header' ? result.header.tlvs : []).toEqual([tlv]);
    bytes.writeUInt8(9, bytes.length - tlv.value.length - 1);
    expect(kindOf(bytes)).toBe('malformed');
  });
  it.each([
    ['a bad address', 'PROXY TCP4 1.2.3 5.6.7.8 111 222\r\n'],
    ['a bad port', 'PROXY TCP4 1.2.3.4 5.6.7.8 111 99999\r\n'],
    ['an unknown family', 'PROXY TCP5 1.2.3.4 5.6.7.8 111 222\r\n'],
    ['mixed families', 'PROXY TCP4 ::1 5.6.7.8 111 222\r\n'],
    ['one word too many', 'PROXY TCP4 1.2.3.4 5.6.7.8 111 222 x\r\n'],
    ['a bare line feed', 'PROXY TCP4 1.2.3.4 5.6.7.8 111 222\n'],
    ['no end', `PROXY TCP4 ${'1'.repeat(120)}`],
    ['version 1 in binary', '\r\n\r\n\0\r\nQUIT\n\x11\x11\0\0'],
    ['an unknown command', '\r\n\r\n\0\r\nQUIT\n\x25\x11\0\x0c'],
    ['a Unix address', '\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8'],
    ['too little room for addresses', '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x08'],
  ])('refuses %s', (_, text) => expect(kindOf(text)).toBe('malformed'));
  it('leaves other beginnings alone', () => {
    expect(kindOf('GET / HTTP/1.1\r\n')).toBe('none');
    expect(kindOf('PUT')).toBe('none');
    expect(kindOf('\r\nGET')).toBe('none');
    expect(kindOf('P')).toBe('need-more');
  });
});
