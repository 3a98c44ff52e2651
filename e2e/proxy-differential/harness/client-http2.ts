import type { Socket } from 'node:net';
import { HpackDecoder } from '@xebec/wire';
import { bodyText } from './body-text.ts';
import type { Answer, Field, Http2Exchange } from './family.ts';

export interface Http2Outcome {
  readonly answers: readonly Answer[];
  readonly tunnel?: string;
  /** Frames of the connection that a peer notices. */
  readonly goaway?: string;
  readonly connection: 'open' | 'closed' | 'reset';
}

const FRAME = { data: 0, headers: 1, rst: 3, settings: 4, ping: 6, goaway: 7, window: 8, continuation: 9 } as const;
const MAX_FRAME_BYTES = 16_384;

interface StreamState {
  readonly method: string;
  headers?: Field[];
  informational: { status: string; headers: readonly Field[] }[];
  body: string;
  trailers: readonly Field[];
  ended: boolean;
  cut?: string;
  window: number;
}

/** Writes frames by hand, so that any request can be sent, and reads until all streams have ended. */
export async function exchangeHttp2(socket: Socket, what: Http2Exchange): Promise<Http2Outcome> {
  const decoder = new HpackDecoder(4096);
  const streams = new Map<number, StreamState>();
  let connectionWindow = 65_535;
  let initialWindow = 65_535;
  let goaway: string | undefined;
  let connection: Http2Outcome['connection'] = 'open';
  let settled = false;
  let wake: () => void = () => undefined;
  let buffer = Buffer.alloc(0);
  let block: { stream: number; end: boolean; parts: Buffer[] } | undefined;

  const write = (type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): void => {
    if (!socket.destroyed) socket.write(frame(type, flags, stream, payload));
  };
  const onFields = (id: number, fields: readonly Field[], end: boolean): void => {
    const stream = streams.get(id);
    if (stream === undefined) return;
    const status = fields.find(([name]) => name === ':status')?.[1];
    const rest = fields.filter(([name]) => name !== ':status');
    if (status?.startsWith('1')) stream.informational.push({ status, headers: rest });
    else if (stream.headers === undefined) stream.headers = [...fields];
    else stream.trailers = fields;
    if (end) stream.ended = true;
  };
  const onFrame = (type: number, flags: number, id: number, payload: Buffer): void => {
    const stream = streams.get(id);
    switch (type) {
      case FRAME.data: {
        if (stream !== undefined) {
          stream.body += payload.toString('latin1');
          if ((flags & 1) !== 0) stream.ended = true;
        }
        if (payload.length > 0) {
          write(FRAME.window, 0, 0, uint32(payload.length));
          write(FRAME.window, 0, id, uint32(payload.length));
        }
        break;
      }
      case FRAME.headers:
      case FRAME.continuation: {
        block ??= { stream: id, end: (flags & 1) !== 0, parts: [] };
        block.parts.push(payload);
        if ((flags & 4) !== 0) {
          const { end, parts } = block;
          block = undefined;
          const decoded = decoder.decode(Buffer.concat(parts), 1_000_000, 10_000);
          onFields(id, decoded === undefined ? [['<undecodable>', '']] : [...pairs(decoded.fields)], end);
        }
        break;
      }
      case FRAME.rst:
        if (stream !== undefined) {
          stream.cut = `RST_STREAM ${payload.readUInt32BE(0)}`;
          stream.ended = true;
        }
        break;
      case FRAME.settings:
        if ((flags & 1) === 0) {
          for (let at = 0; at + 6 <= payload.length; at += 6)
            if (payload.readUInt16BE(at) === 4) {
              const window = payload.readUInt32BE(at + 2);
              for (const other of streams.values()) other.window += window - initialWindow;
              initialWindow = window;
            }
          write(FRAME.settings, 1, 0);
          settled = true;
        }
        break;
      case FRAME.ping:
        if ((flags & 1) === 0) write(FRAME.ping, 1, 0, payload);
        break;
      case FRAME.goaway:
        // Graceful ones come in twos, the first without a limit.
        goaway = `${goaway === undefined ? '' : `${goaway}, `}error ${payload.readUInt32BE(4)}${payload.readInt32BE(0) === 0x7fffffff ? ' (notice)' : ''}`;
        break;
      case FRAME.window:
        if (id === 0) connectionWindow += payload.readUInt32BE(0);
        else if (stream !== undefined) stream.window += payload.readUInt32BE(0);
        break;
      default:
    }
    wake();
  };
  socket.on('data', (chunk: Buffer) => {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 9) {
      const length = buffer.readUIntBE(0, 3);
      if (buffer.length < 9 + length) return;
      const payload = Buffer.from(buffer.subarray(9, 9 + length));
      const [type, flags, id] = [buffer[3] ?? 0, buffer[4] ?? 0, buffer.readUInt32BE(5)];
      buffer = buffer.subarray(9 + length);
      onFrame(type, flags, id, payload);
    }
  });
  const closed = (how: 'closed' | 'reset'): void => {
    if (connection === 'open') connection = how;
    wake();
  };
  socket.on('end', () => closed('closed'));
  socket.on('close', () => closed('reset'));
  const until = async (condition: () => boolean, ms: number): Promise<boolean> => {
    const end = Date.now() + ms;
    while (!condition()) {
      const left = end - Date.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  };

  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  write(FRAME.settings, 0, 0);
  await until(() => settled || connection !== 'open', 1000);
  const { body, trailers } = what;
  const parts = typeof body === 'string' || Buffer.isBuffer(body) ? [Buffer.from(body)] : (body ?? []).map((part) => Buffer.from(part));
  let id = 1;
  for (const fields of [firstFields(what), ...(what.more ?? [])]) {
    const method = fields.find(([name]) => name === ':method')?.[1] ?? '';
    streams.set(id, { method, informational: [], body: '', trailers: [], ended: false, window: initialWindow });
    const end = id > 1 || (parts.length === 0 && trailers === undefined && what.open !== true && what.tunnel === undefined);
    const encoded = encode(fields);
    write(FRAME.headers, (end ? 1 : 0) | (encoded.length <= MAX_FRAME_BYTES ? 4 : 0), id, encoded.subarray(0, MAX_FRAME_BYTES));
    for (let at = MAX_FRAME_BYTES; at < encoded.length; at += MAX_FRAME_BYTES)
      write(FRAME.continuation, at + MAX_FRAME_BYTES >= encoded.length ? 4 : 0, id, encoded.subarray(at, at + MAX_FRAME_BYTES));
    id += 2;
  }
  const first = streams.get(1);
  const send = async (bytes: Buffer, end: boolean): Promise<void> => {
    let at = 0;
    do {
      const wanted = Math.min(bytes.length - at, MAX_FRAME_BYTES);
      const able = await until(
        () => connection !== 'open' || (first?.ended ?? true) || Math.min(connectionWindow, first?.window ?? 0) >= wanted,
        3000,
      );
      if (!able || connection !== 'open' || first === undefined || first.cut !== undefined) return;
      connectionWindow -= wanted;
      first.window -= wanted;
      write(FRAME.data, end && at + wanted >= bytes.length ? 1 : 0, 1, bytes.subarray(at, at + wanted));
      at += wanted;
    } while (at < bytes.length);
  };
  for (const [i, part] of parts.entries())
    await send(part, i === parts.length - 1 && trailers === undefined && what.open !== true && what.tunnel === undefined);
  if (trailers !== undefined) write(FRAME.headers, 5, 1, encode(trailers));
  for (const { type, flags = 0, stream = 1, payload } of what.frames ?? []) write(type, flags, stream, payload);
  if (what.resetAfterMs !== undefined) {
    await until(() => false, what.resetAfterMs);
    write(FRAME.rst, 0, 1, uint32(8));
    await until(() => connection !== 'open', 50);
  } else {
    let tunnelLength = 0;
    if (what.tunnel !== undefined) {
      await until(() => first?.headers !== undefined || first?.ended === true || connection !== 'open', what.timeoutMs ?? 3000);
      if (first?.ended === false) {
        await send(Buffer.from(what.tunnel, 'latin1'), false);
        tunnelLength = what.tunnel.length;
        await until(() => (first?.body.length ?? 0) >= tunnelLength || first?.ended === true || connection !== 'open', 1000);
        await send(Buffer.alloc(0), true);
      }
    }
    await until(() => [...streams.values()].every(({ ended }) => ended) || connection !== 'open', what.timeoutMs ?? 3000);
    await until(() => connection !== 'open', what.lingerMs ?? (goaway === undefined ? 10 : 150));
  }
  const state = connection;
  socket.destroy();
  const answers = [...streams.values()].map(answerOf);
  return { answers, ...(goaway === undefined ? {} : { goaway }), connection: state };
}

function answerOf(stream: StreamState): Answer {
  const { headers = [], body, trailers, informational, ended } = stream;
  const cut = stream.cut ?? (ended ? undefined : 'unfinished');
  return {
    status: headers.find(([name]) => name === ':status')?.[1] ?? 'none',
    headers: headers.filter(([name]) => name !== ':status'),
    body: bodyText(body),
    trailers,
    ...(informational.length === 0 ? {} : { informational }),
    ...(cut === undefined ? {} : { cut }),
  };
}

function firstFields(what: Http2Exchange): readonly Field[] {
  if (what.rawHeaders !== undefined) return what.rawHeaders;
  const { method = 'GET', path = '/', scheme = 'http', authority = 'app.example', headers = [] } = what;
  return [[':method', method], [':scheme', scheme], [':authority', authority], [':path', path], ...headers];
}

function pairs(list: readonly (string | Field)[]): Field[] {
  const fields: Field[] = [];
  for (let i = 0; i < list.length; i++) {
    const item = list[i];
    if (typeof item === 'string') fields.push([item, String(list[++i])]);
    else if (item !== undefined) fields.push(item);
  }
  return fields;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literals without indexing and without Huffman codes (RFC 7541 6.2.2). */
function encode(fields: readonly Field[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    return Buffer.concat([integer(bytes.length, 7), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

function integer(value: number, bits: number): Buffer {
  const limit = 2 ** bits - 1;
  if (value < limit) return Buffer.of(value);
  const bytes = [limit];
  let rest = value - limit;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}
