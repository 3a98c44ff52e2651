/** HTTP/2 written by hand (RFC 9113, RFC 7541), because no library sends what is forbidden. */

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** A string literal without Huffman coding (RFC 7541 section 5.2). */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const length: number[] = [];
  if (bytes.length < 127) length.push(bytes.length);
  else {
    length.push(127);
    let rest = bytes.length - 127;
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}

/** A connection's first bytes with one request: fields in order, as given, and a body in DATA frames where there is one. */
export function http2Request(fields: readonly (readonly [string, string])[], body?: string): Buffer {
  const block = Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
  const endHeaders = 4;
  const endStream = 1;
  return Buffer.concat([
    PREFACE,
    frame(4, 0, 0, Buffer.alloc(0)),
    frame(1, endHeaders | (body === undefined ? endStream : 0), 1, block),
    ...(body === undefined ? [] : [frame(0, endStream, 1, Buffer.from(body, 'latin1'))]),
  ]);
}

/** The fields of a plain GET with more after them. */
export function get(path: string, ...more: (readonly [string, string])[]): (readonly [string, string])[] {
  return [[':method', 'GET'], [':scheme', 'http'], [':path', path], [':authority', 'victim.example'], ...more];
}
