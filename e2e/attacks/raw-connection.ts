import { connect } from 'node:net';

/** How long a silent peer is listened to: an answer to a request on this machine comes within this. */
const QUIET_MS = 80;
const LIMIT_MS = 5_000;

/** Sends bytes as they are and collects what comes back until the peer closes or has been silent for a while after it spoke. */
export function exchange(port: number, bytes: Uint8Array, host = '127.0.0.1'): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, host);
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(chunks));
    };
    let timer = setTimeout(finish, LIMIT_MS);
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      clearTimeout(timer);
      timer = setTimeout(finish, QUIET_MS);
    });
    socket.on('close', finish);
    socket.on('error', (error) => (chunks.length > 0 || 'code' in error ? finish() : reject(error)));
  });
}

/** The status of an HTTP/1 answer; 0 without one. */
export function statusOf(answer: Buffer): number {
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(answer.toString('latin1'))?.[1] ?? 0);
}
