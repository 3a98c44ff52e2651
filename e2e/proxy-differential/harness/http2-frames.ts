import type { Socket } from 'node:net';
import { HpackDecoder } from '@xebec/wire';
import type { Field } from './family.ts';

export const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
/** END_STREAM, END_HEADERS, PADDED, PRIORITY; ACK is the first. */
export const flags = { end: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function frame(type: number, flag: number, stream: number, payload: Buffer | string = Buffer.alloc(0)): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flag;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

/** A SETTINGS frame of pairs. */
export function settingsFrame(entries: readonly (readonly [id: number, value: number])[] = []): Buffer {
  return frame(
    frameType.settings,
    0,
    0,
    Buffer.concat(
      entries.map(([id, value]) => {
        const bytes = Buffer.alloc(6);
        bytes.writeUInt16BE(id);
        bytes.writeUInt32BE(value, 2);
        return bytes;
      }),
    ),
  );
}

/** Literals without indexing and without Huffman codes (RFC 7541 6.2.2). */
export function headerBlock(fields: readonly Field[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    return Buffer.concat([hpackLength(bytes.length), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

function hpackLength(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

/**
 * Reads frames and tells each as one line. DATA of a stream that follows on DATA is one line; where a window goes is told as the sum
 * by stream, since when it is given is a proxy's own affair.
 */
export class FrameLog {
  readonly lines: string[] = [];
  readonly #decoder = new HpackDecoder(4096);
  #buffer = Buffer.alloc(0);
  #block: { readonly flag: number; readonly stream: number; readonly parts: Buffer[] } | undefined;
  #data: { readonly stream: number; bytes: number } | undefined;
  #wake: () => void = () => undefined;

  push(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    while (this.#buffer.length >= 9) {
      const length = this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.length < 9 + length) return;
      const [type = 0, flag = 0] = [this.#buffer[3], this.#buffer[4]];
      this.#onFrame(type, flag, this.#buffer.readUInt32BE(5), Buffer.from(this.#buffer.subarray(9, 9 + length)));
      this.#buffer = this.#buffer.subarray(9 + length);
    }
  }
  /** Resolves true once a line has this text; false when time is up. */
  async until(text: string | RegExp, ms: number): Promise<boolean> {
    const has = (): boolean => this.lines.some((line) => (typeof text === 'string' ? line.startsWith(text) : text.test(line)));
    const end = Date.now() + ms;
    while (!has()) {
      const left = end - Date.now();
      if (left <= 0) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }
  note(line: string): void {
    this.#data = undefined;
    this.lines.push(line);
    this.#wake();
  }
  #onFrame(type: number, flag: number, stream: number, payload: Buffer): void {
    switch (type) {
      case frameType.data: {
        const end = (flag & flags.end) !== 0 ? ' end' : '';
        if (this.#data?.stream === stream) {
          this.#data.bytes += payload.length;
          this.lines.pop();
        } else this.#data = { stream, bytes: payload.length };
        this.lines.push(`DATA ${stream} ${this.#data.bytes} bytes${end}`);
        this.#wake();
        return;
      }
      case frameType.headers:
      case frameType.continuation: {
        this.#block ??= { flag, stream, parts: [] };
        this.#block.parts.push(payload);
        if ((flag & flags.endHeaders) === 0) return;
        const block = this.#block;
        this.#block = undefined;
        const decoded = this.#decoder.decode(Buffer.concat(block.parts), 1_000_000, 10_000);
        const pairs: string[] = [];
        const list = decoded?.fields ?? ['undecodable', ''];
        for (let i = 0; i < list.length; i++) {
          const item: unknown = list[i];
          if (Array.isArray(item)) pairs.push(`${item[0]}: ${item[1]}`);
          else pairs.push(`${String(item)}: ${String(list[++i])}`);
        }
        const told = pairs
          .map((pair) => pair.replace(/^(date|x-request-id|x-envoy-upstream-service-time): .*/, '$1'))
          .filter((pair) => !/^x-request-id/.test(pair));
        // Pseudo-headers keep their order, the rest is sorted.
        const pseudo = told.filter((pair) => pair.startsWith(':'));
        const rest = told.filter((pair) => !pair.startsWith(':')).sort();
        this.note(`HEADERS ${stream}${(block.flag & flags.end) !== 0 ? ' end' : ''} ${[...pseudo, ...rest].join(' | ')}`);
        return;
      }
      case frameType.reset:
        this.note(`RST_STREAM ${stream} ${payload.readUInt32BE(0)}`);
        return;
      case frameType.settings: {
        if ((flag & flags.ack) !== 0) {
          this.note('SETTINGS ack');
          return;
        }
        const entries: string[] = [];
        for (let at = 0; at + 6 <= payload.length; at += 6) entries.push(`${payload.readUInt16BE(at)}=${payload.readUInt32BE(at + 2)}`);
        this.note(`SETTINGS ${entries.sort().join(' ')}`);
        return;
      }
      case frameType.ping:
        this.note(`PING${(flag & flags.ack) !== 0 ? ` ack ${payload.toString('latin1')}` : ''}`);
        return;
      case frameType.goaway:
        this.note(`GOAWAY last ${payload.readUInt32BE(0) & 0x7fffffff} error ${payload.readUInt32BE(4)}`);
        return;
      case frameType.window:
        this.note(`WINDOW_UPDATE ${stream} ${payload.readUInt32BE(0)}`);
        return;
      default:
        this.note(`frame ${type} on ${stream}`);
    }
  }
}

/** Logs what comes on a connection, its end too. */
export function logFrames(socket: Socket): FrameLog {
  const log = new FrameLog();
  let ended = false;
  const closed = (how: string): void => {
    if (!ended) log.note(how);
    ended = true;
  };
  socket.on('data', (chunk: Buffer) => log.push(chunk));
  socket.on('end', () => closed('closed'));
  socket.on('error', () => undefined);
  socket.on('close', () => closed('reset'));
  return log;
}
