import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { bodyText } from './body-text.ts';
import type { Field, Reply } from './family.ts';
import { fieldValue, type Message, MessageReader } from './message-reader.ts';
import type { UpstreamScript } from './upstreams.ts';

const reasons: Readonly<Record<number, string>> = {
  100: 'Continue',
  101: 'Switching Protocols',
  103: 'Early Hints',
  200: 'OK',
  404: 'Not Found',
};

function head(status: number, headers: readonly Field[]): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `HTTP/1.1 ${status} ${reasons[status] ?? 'Some Reason'}\r\n${lines}\r\n`;
}

/** Serves HTTP/1 on a connection by the script, one request after another. */
export function serveHttp1(socket: Socket, script: UpstreamScript): void {
  let answering = Promise.resolve();
  let answeredEarly = false;
  let tunnel = false;
  const record = (message: Message): void => {
    const { line, headers, body, trailers, cut } = message;
    script.saw({ upstream: script.name, line, headers, body: bodyText(body), trailers, ...(cut === undefined ? {} : { cut }) }, socket);
  };
  const start = (message: Message, reply: Reply): void => {
    answering = answering.then(async () => {
      if (socket.destroyed) return;
      await answer(socket, message, reply);
      if (reply.tunnel === true) {
        tunnel = true;
        reader.switchToTunnel();
      }
    });
  };
  let reply: Reply = {};
  const reader = new MessageReader({
    onHead: (message) => {
      reply = script.next(message.line);
      answeredEarly = reply.early === true;
      if (answeredEarly) start(message, reply);
      else if (fieldValue(message.headers, 'expect') !== undefined && reply.informational === undefined)
        socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    },
    onMessage: (message) => {
      record(message);
      if (!answeredEarly && message.cut === undefined) start(message, reply);
    },
    onTunnel: (bytes) => socket.write(bytes.toString('latin1').toUpperCase()),
  });
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('end', () => {
    if (!tunnel) reader.end('closed');
    void answering.then(() => socket.end());
  });
  socket.on('close', () => reader.end('reset'));
}

async function answer(socket: Socket, request: Message, reply: Reply): Promise<void> {
  if (reply.delayMs !== undefined) await wait(reply.delayMs);
  if (reply.instead === 'close' || reply.instead === 'goaway') {
    socket.end();
    return;
  }
  if (reply.instead === 'reset') {
    socket.resetAndDestroy();
    return;
  }
  if (reply.instead === 'hang') return;
  for (const before of reply.informational ?? []) {
    socket.write(head(before.status, before.headers ?? []));
    // In one segment with the answer it would be another test.
    await wait(5);
  }
  if (reply.raw !== undefined) socket.write(Buffer.from(reply.raw, 'latin1'));
  else {
    // Whether head and body come in one segment changes what proxies do; delays are for cases that want them apart.
    socket.cork();
    await writeMessage(socket, request, reply);
    socket.uncork();
  }
  if (reply.cut === 'close') socket.end();
  else if (reply.cut === 'reset') {
    await wait(10);
    socket.resetAndDestroy();
  } else if (reply.thenClose === true) socket.end();
}

async function writeMessage(socket: Socket, request: Message, reply: Reply): Promise<void> {
  const { status = 200, trailers } = reply;
  const body = Buffer.from(reply.body ?? '');
  const headers: Field[] = [...(reply.headers ?? [])];
  const chunked = reply.chunked === true || trailers !== undefined;
  const bodiless = status === 204 || status === 304 || status < 200 || reply.tunnel === true;
  if (!bodiless && fieldValue(headers, 'content-length') === undefined && fieldValue(headers, 'transfer-encoding') === undefined)
    headers.push(chunked ? ['transfer-encoding', 'chunked'] : ['content-length', String(body.length)]);
  socket.write(head(status, headers));
  if (request.line.startsWith('HEAD ') || body.length === 0 || (bodiless && reply.body === undefined)) {
    if (chunked && !request.line.startsWith('HEAD ') && reply.cut === undefined) socket.write(`0\r\n${trailerLines(trailers)}\r\n`);
    return;
  }
  const parts = reply.bodyParts ?? 1;
  const size = Math.ceil(body.length / parts);
  for (let at = 0; at < body.length; at += size) {
    if (reply.bodyDelayMs !== undefined) {
      socket.uncork();
      await wait(reply.bodyDelayMs);
    }
    const part = body.subarray(at, at + size);
    socket.write(chunked ? Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]) : part);
  }
  if (reply.cut !== undefined) return;
  if (chunked) socket.write(`0\r\n${trailerLines(trailers)}\r\n`);
}

function trailerLines(trailers: readonly Field[] = []): string {
  return trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
}
