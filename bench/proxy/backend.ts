/**
 * The server behind the proxies: answers as cheaply as node:net allows, because it shares its core with the load. Not counted.
 *
 * `node backend.ts [certificate key ca]` listens on a free port, prints it, and serves HTTP/1.1 and HTTP/2 with prior knowledge on it.
 * A path that ends in `10k` gets 10,000 bytes, any other 32. A request with `application/grpc` gets one message and trailers.
 */
import { createServer, type Socket } from 'node:net';

const http1Body = (bytes: number) =>
  Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`);
const small = http1Body(32);
const large = http1Body(10_000);

/** Counts heads and skips bodies of requests, which have a content-length or no body. */
function serveHttp1(socket: Socket): (bytes: Buffer) => void {
  let pending: Buffer | undefined;
  let bodyLeft = 0;
  return (input) => {
    let bytes = pending === undefined ? input : Buffer.concat([pending, input]);
    pending = undefined;
    const answers: Buffer[] = [];
    for (let reply = small; ; answers.push(reply)) {
      if (bodyLeft > bytes.length) {
        bodyLeft -= bytes.length;
        break;
      }
      if (bodyLeft > 0) {
        bytes = bytes.subarray(bodyLeft);
        bodyLeft = 0;
      }
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) {
        if (bytes.length > 0) pending = bytes;
        break;
      }
      const head = bytes.toString('latin1', 0, end);
      const length = /\r\ncontent-length: *([0-9]+)/i.exec(head);
      bodyLeft = length === null ? 0 : Number(length[1]);
      reply = head.slice(0, head.indexOf('\r\n')).endsWith('10k HTTP/1.1') ? large : small;
      bytes = bytes.subarray(end + 4);
    }
    if (answers.length > 0) socket.write(answers.length === 1 ? (answers[0] as Buffer) : Buffer.concat(answers));
  };
}

const literal = (name: string, value: string) => [0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)];
// :status 200 is entry 8 of HPACK's static table.
const plainHead = Buffer.from([0x88, ...literal('content-type', 'text/plain')]);
const grpcHead = Buffer.from([0x88, ...literal('content-type', 'application/grpc')]);
const grpcTrailers = Buffer.from(literal('grpc-status', '0'));
const plainBody = Buffer.from('x'.repeat(32));
const grpcBody = Buffer.concat([Buffer.from([0, 0, 0, 0, 32]), plainBody]);

function frame(type: number, flags: number, id: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(9 + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(id, 5);
  payload.copy(bytes, 9);
  return bytes;
}

const uint32 = (value: number) => Buffer.from([value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]);
const plainAnswer = Buffer.concat([frame(1, 4, 0, plainHead), frame(0, 1, 0, plainBody)]);
const grpcAnswer = Buffer.concat([frame(1, 4, 0, grpcHead), frame(0, 0, 0, grpcBody), frame(1, 5, 0, grpcTrailers)]);

/** An answer with the stream's id in each of its frames. */
function answer(template: Buffer, id: number): Buffer {
  const bytes = Buffer.from(template);
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3)) bytes.writeUInt32BE(id, at + 5);
  return bytes;
}

/** Never decodes a header block: a request with a body is taken for gRPC. Its windows are as large as they can be. */
function serveHttp2(socket: Socket): (bytes: Buffer) => void {
  let pending: Buffer | undefined;
  let prefaceLeft = 24;
  let uncredited = 0;
  const unlimited = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0, 4, 0]);
  socket.write(Buffer.concat([frame(4, 0, 0, unlimited), frame(8, 0, 0, uint32(1_000_000_000))]));
  return (input) => {
    const bytes = pending === undefined ? input : Buffer.concat([pending, input]);
    pending = undefined;
    const out: Buffer[] = [];
    let at = Math.min(prefaceLeft, bytes.length);
    prefaceLeft -= at;
    while (bytes.length - at >= 9) {
      const length = bytes.readUIntBE(at, 3);
      if (bytes.length - at < 9 + length) break;
      const type = bytes[at + 3];
      const flags = bytes[at + 4] ?? 0;
      const id = bytes.readUInt32BE(at + 5);
      if (type === 0) uncredited += length;
      if (type === 4 && (flags & 1) === 0) out.push(frame(4, 1, 0, Buffer.alloc(0)));
      else if (type === 6 && (flags & 1) === 0) out.push(frame(6, 1, 0, bytes.subarray(at + 9, at + 17)));
      else if (type === 1 && (flags & 1) === 1) out.push(answer(plainAnswer, id));
      else if (type === 0 && (flags & 1) === 1) out.push(answer(grpcAnswer, id));
      at += 9 + length;
    }
    if (at < bytes.length) pending = bytes.subarray(at);
    if (uncredited > 1_000_000) {
      out.push(frame(8, 0, 0, uint32(uncredited)));
      uncredited = 0;
    }
    if (out.length > 0) socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out));
  };
}

const server = createServer({ noDelay: true }, (socket) => {
  let serve: ((bytes: Buffer) => void) | undefined;
  socket.on('error', () => undefined);
  socket.on('data', (bytes: Buffer) => {
    serve ??= (bytes.toString('latin1', 0, 3) === 'PRI' ? serveHttp2 : serveHttp1)(socket);
    serve(bytes);
  });
});
server.listen(0, '127.0.0.1', 4096, () => {
  const address = server.address();
  if (typeof address === 'object' && address !== null) console.log(address.port);
});
