import { createServer, type Socket } from 'node:net';
import type { Peer } from '../harness/family.ts';

const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;
const codes: Readonly<Record<string, number>> = {
  no_error: 0,
  protocol: 1,
  internal: 2,
  flow: 3,
  refused: 7,
  cancel: 8,
  calm: 11,
  security: 12,
  http11: 13,
};

function frame(kind: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = kind;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A literal field without indexing. */
function field(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value)]);
}

function head(stream: number, status: string, flags: number, ...fields: readonly (readonly [string, string])[]): Buffer {
  return frame(
    type.headers,
    flags,
    stream,
    Buffer.concat([field(':status', status), ...fields.map(([name, value]) => field(name, value))]),
  );
}

/**
 * An HTTP/2 server without a library, which can be wrong in ways that libraries cannot. What it does with the n-th request after
 * `script` is the n-th word of the script, and the last word from then on: see `answer`.
 */
export class Http2FramesPeer {
  #script: readonly string[] = ['ok'];
  #settings = Buffer.alloc(0);
  #connections = 0;
  #streams: string[] = [];

  script(words: readonly string[], maxStreams?: number): void {
    this.#script = words;
    this.#settings = maxStreams === undefined ? Buffer.alloc(0) : Buffer.concat([Buffer.from([0, 3]), number(maxStreams)]);
    this.#connections = 0;
    this.#streams = [];
  }
  /** Which requests came, as `connection/stream`; and RST_STREAM and GOAWAY of the proxy. */
  take(): readonly string[] {
    return this.#streams;
  }
  async start(): Promise<Peer> {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
      socket.on('error', () => undefined);
      this.#serve(socket, ++this.#connections);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    return {
      port: typeof address === 'object' && address !== null ? address.port : 0,
      close() {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }
  #serve(socket: Socket, connection: number): void {
    let bytes = Buffer.alloc(0);
    let greeted = false;
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (!greeted) {
        if (bytes.length < preface.length) return;
        bytes = bytes.subarray(preface.length);
        greeted = true;
        socket.write(frame(type.settings, 0, 0, this.#settings));
      }
      while (bytes.length >= 9) {
        const length = bytes.readUIntBE(0, 3);
        if (bytes.length < 9 + length) return;
        const [kind = 0, flags = 0] = [bytes[3], bytes[4]];
        const stream = bytes.readUInt32BE(5);
        const payload = bytes.subarray(9, 9 + length);
        bytes = bytes.subarray(9 + length);
        if (kind === type.settings && (flags & 1) === 0) socket.write(frame(type.settings, 1, 0));
        else if (kind === type.ping && (flags & 1) === 0) socket.write(frame(type.ping, 1, 0, payload));
        else if (kind === type.reset) this.#streams.push(`${connection}/${stream} reset ${payload.readUInt32BE(0)}`);
        else if (kind === type.headers) {
          const word = this.#script[Math.min(this.#streams.filter((line) => !line.includes(' ')).length, this.#script.length - 1)] ?? 'ok';
          this.#streams.push(`${connection}/${stream}`);
          answer(socket, stream, word);
        }
      }
    });
  }
}

/** Words are `action:argument`; the frames of an action are written at once. */
function answer(socket: Socket, stream: number, word: string): void {
  const [action = '', argument = ''] = word.split(':');
  const reset = (code: string): Buffer => frame(type.reset, 0, stream, number(codes[code] ?? 0));
  const goaway = (last: number, code: string): Buffer => frame(type.goaway, 0, 0, Buffer.concat([number(last), number(codes[code] ?? 0)]));
  const ok = Buffer.concat([head(stream, '200', 4), frame(type.data, 1, stream, Buffer.from('ok'))]);
  const half = Buffer.concat([head(stream, '200', 4, ['content-length', '10']), frame(type.data, 0, stream, Buffer.from('half'))]);
  switch (action) {
    case 'ok':
      return void socket.write(ok);
    case 'reset':
      return void socket.write(reset(argument));
    case 'half-reset':
      return void socket.write(Buffer.concat([half, reset(argument)]));
    case 'head-reset':
      return void socket.write(Buffer.concat([head(stream, '200', 4), reset(argument)]));
    case 'ok-reset':
      return void socket.write(Buffer.concat([ok, reset(argument)]));
    case 'goaway-before':
      return void socket.write(Buffer.concat([goaway(stream - 2 < 0 ? 0 : stream - 2, argument)]));
    case 'goaway-ok':
      return void socket.write(Buffer.concat([goaway(stream, argument), ok]));
    case 'ok-goaway':
      return void socket.write(Buffer.concat([ok, goaway(stream, argument)]));
    case 'goaway-close':
      return void socket.end(goaway(stream, argument));
    case 'close':
      return void socket.end();
    case 'rst':
      return void socket.resetAndDestroy();
    case 'half-close':
      return void socket.end(half);
    case 'status':
      return void socket.write(head(stream, argument, 5));
    case 'no-status':
      return void socket.write(frame(type.headers, 5, stream, field('x-a', '1')));
    case 'upper-case':
      return void socket.write(head(stream, '200', 5, ['X-Upper', '1']));
    case 'connection-field':
      return void socket.write(head(stream, '200', 5, ['connection', 'close']));
    case 'transfer-encoding':
      return void socket.write(head(stream, '200', 5, ['transfer-encoding', 'chunked']));
    case 'two-status':
      return void socket.write(head(stream, '200', 5, [':status', '404']));
    case 'short':
      return void socket.write(
        Buffer.concat([head(stream, '200', 4, ['content-length', '10']), frame(type.data, 1, stream, Buffer.from('half'))]),
      );
    case 'long':
      return void socket.write(
        Buffer.concat([head(stream, '200', 4, ['content-length', '2']), frame(type.data, 1, stream, Buffer.from('too long'))]),
      );
    case 'trailers':
      return void socket.write(
        Buffer.concat([
          head(stream, '200', 4),
          frame(type.data, 0, stream, Buffer.from('ok')),
          frame(type.headers, 5, stream, field('x-trailer', '1')),
        ]),
      );
    case 'bad-trailers':
      return void socket.write(
        Buffer.concat([
          head(stream, '200', 4),
          frame(type.data, 0, stream, Buffer.from('ok')),
          frame(type.headers, 5, stream, field(':status', '200')),
        ]),
      );
    case 'interim':
      return void socket.write(Buffer.concat([head(stream, argument, 4, ['link', '</a>']), ok]));
    case 'interim-end':
      return void socket.write(head(stream, argument, 5));
    case 'large':
      return void socket.write(
        Buffer.concat([
          head(stream, '200', 4),
          ...Array.from({ length: 5 }, () => frame(type.data, 0, stream, Buffer.alloc(10_000, 'x'))),
          frame(type.data, 1, stream),
        ]),
      );
    case 'garbage':
      return void socket.write(frame(type.headers, 5, stream, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])));
    case 'data-first':
      return void socket.write(frame(type.data, 1, stream, Buffer.from('no head')));
    case 'text':
      return void socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n');
    case 'many':
      return void socket.write(head(stream, '200', 5, ...Array.from({ length: Number(argument) }, (_, i) => [`x-${i}`, 'v'] as const)));
    case 'hang':
      return;
  }
}
