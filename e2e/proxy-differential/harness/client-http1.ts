import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { bodyText } from './body-text.ts';
import type { Answer, Field, Http1Exchange } from './family.ts';
import { fieldValue, type Message, MessageReader } from './message-reader.ts';

export interface Http1Outcome {
  readonly answers: readonly Answer[];
  /** What the tunnel sent back. */
  readonly tunnel?: string;
  /** How the connection stood at the end. */
  readonly connection: 'open' | 'closed' | 'reset' | 'closing';
}

/** Writes the requests and reads until all final responses have come, the connection has ended or time is up. */
export async function exchangeHttp1(socket: Socket, what: Http1Exchange): Promise<Http1Outcome> {
  const { responses = 1 } = what;
  const methods = typeof responses === 'number' ? Array.from({ length: responses }, () => what.method ?? 'GET') : [...responses];
  let missing = methods.length;
  const answers: Answer[] = [];
  let informational: { status: string; headers: readonly Field[] }[] = [];
  let tunnelled = '';
  let isTunnel = false;
  let wake: () => void = () => undefined;
  const reader = new MessageReader({
    methods,
    onMessage: (message) => {
      if (isInformational(message.line)) informational.push({ status: message.line, headers: message.headers });
      else {
        answers.push(answerOf(message, informational));
        informational = [];
        missing--;
        const status = Number(message.line.split(' ')[1]);
        isTunnel = status === 101 || (what.method === 'CONNECT' && status < 300);
        if (isTunnel && what.tunnel !== undefined) socket.write(Buffer.from(what.tunnel, 'latin1'));
      }
      wake();
    },
    onTunnel: (bytes) => {
      tunnelled += bytes.toString('latin1');
      wake();
    },
  });
  let connection: Http1Outcome['connection'] = 'open';
  const closed = (how: 'closed' | 'reset'): void => {
    if (connection !== 'open') return;
    connection = how;
    reader.end(how);
    wake();
  };
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.on('end', () => closed('closed'));
  socket.on('close', () => closed('reset'));
  const until = async (condition: () => boolean, ms: number): Promise<void> => {
    const end = Date.now() + ms;
    while (!condition()) {
      const left = end - Date.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  const parts = requestBytes(what);
  for (const [i, part] of parts.entries()) {
    if (i > 0) await wait(30);
    if (!socket.destroyed) socket.write(part);
  }
  if (what.halfClose === true) socket.end();
  if (what.abortAfterMs !== undefined) {
    await until(() => false, what.abortAfterMs);
    socket.destroy();
    return { answers, connection: 'closed' };
  }
  await until(() => missing <= 0 || connection !== 'open', what.timeoutMs ?? 3000);
  const wanted = what.tunnel?.length ?? 0;
  if (isTunnel && wanted > 0) await until(() => tunnelled.length >= wanted || connection !== 'open', 1000);
  const says = answers.some(({ headers }) => /close/i.test(fieldValue(headers, 'connection') ?? ''));
  await until(() => connection !== 'open', what.lingerMs ?? (says ? 20 : 10));
  // What was half read when time was up is shown too.
  if (connection === 'open' && missing > 0) reader.end('unfinished');
  // After `connection: close` the close may take a while: what matters is that it has been said.
  const state = says && (connection as string) !== 'reset' ? 'closing' : connection;
  socket.destroy();
  return { answers, connection: state, ...(isTunnel ? { tunnel: tunnelled } : {}) };
}

function isInformational(line: string): boolean {
  const status = Number(line.split(' ')[1]);
  return status >= 100 && status < 200 && status !== 101;
}

function answerOf(message: Message, informational: NonNullable<Answer['informational']>): Answer {
  const { line, headers, body, trailers, cut } = message;
  return {
    status: line,
    headers,
    body: bodyText(body),
    trailers,
    ...(informational.length === 0 ? {} : { informational }),
    ...(cut === undefined ? {} : { cut }),
  };
}

function requestBytes(what: Http1Exchange): Buffer[] {
  if (what.raw !== undefined) return (typeof what.raw === 'string' ? [what.raw] : what.raw).map((part) => Buffer.from(part, 'latin1'));
  const { method = 'GET', path = '/', host = 'app.example', headers = [], body, trailers, version = '1.1' } = what;
  const fields: Field[] = [...(host === null ? [] : [['host', host] as const]), ...headers];
  const parts = typeof body === 'string' || Buffer.isBuffer(body) ? [Buffer.from(body)] : (body ?? []).map((part) => Buffer.from(part));
  const chunked = trailers !== undefined || Array.isArray(body);
  if (chunked) fields.push(['transfer-encoding', 'chunked']);
  else if (parts.length > 0 && fieldValue(fields, 'content-length') === undefined)
    fields.push(['content-length', String(parts[0]?.length ?? 0)]);
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const head = Buffer.from(`${method} ${path} HTTP/${version}\r\n${lines}\r\n`, 'latin1');
  if (!chunked) return [Buffer.concat([head, ...parts])];
  const chunks = parts.map((part) => Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]));
  const end = (trailers ?? []).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return [Buffer.concat([head, ...chunks, Buffer.from(`0\r\n${end}\r\n`, 'latin1')])];
}
