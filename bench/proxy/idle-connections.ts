/**
 * `node idle-connections.ts PORT COUNT http1|http2`: opens connections, makes one request on each, prints `open`, and keeps them until
 * it is killed.
 */
import { connect } from 'node:net';

const [port, count, protocol] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const inFlight = 64;

const frame = (type: number, flags: number, id: number, payload: readonly number[]) =>
  Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, id, ...payload]);
const http1Request = Buffer.from('GET /x HTTP/1.1\r\nhost: bench\r\nuser-agent: idle\r\n\r\n');
// :method GET, :scheme http, :path /, :authority bench.
const http2Request = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, []),
  frame(1, 5, 1, [0x82, 0x86, 0x84, 0x41, 5, ...Buffer.from('bench')]),
]);

/** Resolves when the answer is complete: its body is 32 times `x`. */
function open(): Promise<void> {
  return new Promise((done, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let seen = 0;
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      for (const byte of bytes) seen = byte === 120 ? seen + 1 : 0;
      if (seen === 32) done();
    });
    socket.write(protocol === 'http2' ? http2Request : http1Request);
  });
}

let left = count;
await Promise.all(
  Array.from({ length: inFlight }, async () => {
    while (left-- > 0) await open();
  }),
);
console.log('open');
