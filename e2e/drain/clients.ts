import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';

/** What became of a connection: `ended` by FIN, `reset` by RST. */
export type End = 'open' | 'ended' | 'reset';

/** A TCP connection that tells how it ended and what it heard. */
export class Connection {
  readonly socket: Socket;
  #text = '';
  #end: End = 'open';

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => (this.#text += bytes.toString('latin1')));
    socket.on('end', () => {
      if (this.#end === 'open') this.#end = 'ended';
    });
    socket.on('error', () => (this.#end = 'reset'));
  }
  /** Undefined when it is refused. */
  static async open(port: number): Promise<Connection | undefined> {
    const socket = connect({ host: '127.0.0.1', port });
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(new Connection(socket)));
      socket.once('error', () => resolve(undefined));
    });
  }
  get end(): End {
    return this.#end;
  }
  get text(): string {
    return this.#text;
  }
  write(text: string): void {
    if (this.#end === 'open') this.socket.write(text);
  }
  close(): void {
    this.socket.destroy();
  }
}

export function request(path: string): string {
  return `GET ${path} HTTP/1.1\r\nhost: app\r\n\r\n`;
}

/** Status and `connection` header of the answer that begins at `from`. */
export function answer(text: string, from = 0): string {
  const head = text.slice(from).split('\r\n\r\n')[0] ?? '';
  if (head === '') return 'nothing';
  return `${head.slice(9, 12)}${/\r\nconnection: close/i.test(head) ? ' connection: close' : ''}`;
}

/** An HTTP/2 session that tells what it heard of its end. */
export class Session {
  readonly #session: ClientHttp2Session;
  #goaway = '';
  #closed = false;

  constructor(port: number) {
    this.#session = connectHttp2(`http://127.0.0.1:${port}`);
    this.#session.on('error', () => (this.#closed = true));
    this.#session.on('goaway', (code) => (this.#goaway = ` after GOAWAY ${code}`));
    this.#session.on('close', () => (this.#closed = true));
  }
  async get(path: string): Promise<string> {
    return await new Promise((resolve) => {
      try {
        const stream = this.#session.request({ ':path': path });
        let status = 'no answer';
        stream.on('response', (headers) => (status = String(headers[':status'])));
        stream.on('error', () => resolve('cut'));
        stream.on('close', () => resolve(status));
        stream.resume();
        stream.end();
      } catch {
        resolve('closed');
      }
    });
  }
  get state(): string {
    return `${this.#closed ? 'closed' : 'open'}${this.#goaway}`;
  }
  close(): void {
    this.#session.destroy();
  }
}
