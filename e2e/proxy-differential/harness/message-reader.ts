import type { Field } from './family.ts';

/** One HTTP/1 message as it came, read leniently: the suite shows what proxies write, it does not judge it. */
export interface Message {
  readonly line: string;
  readonly headers: readonly Field[];
  body: string;
  trailers: Field[];
  /** The connection ended within the message. */
  cut?: string;
}

export interface ReadContext {
  /** Methods of the requests whose responses come, for a client. Undefined reads requests. */
  readonly methods?: string[];
  /** Called when a head has come, before its body. */
  onHead?(message: Message): void;
  /** Called for each complete message. 1xx come too. `tunnel`: all that follows is no HTTP. */
  onMessage(message: Message): void;
  onTunnel?(bytes: Buffer): void;
}

function fieldsOf(lines: readonly string[]): Field[] {
  return lines.map((line): Field => {
    const colon = line.indexOf(':', 1);
    return colon < 0 ? [line, '<no colon>'] : [line.slice(0, colon), line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
  });
}

export function fieldValue(fields: readonly Field[], name: string): string | undefined {
  return fields.find(([key]) => key.toLowerCase() === name)?.[1];
}

/** Push parser for either direction; strings are latin1, one character a byte. */
export class MessageReader {
  #buffer = '';
  #message: Message | undefined;
  #state: 'head' | 'length' | 'chunk-size' | 'chunk' | 'trailers' | 'until-close' | 'tunnel' = 'head';
  #left = 0;
  readonly #context: ReadContext;

  constructor(context: ReadContext) {
    this.#context = context;
  }

  /** All that follows is a tunnel. */
  switchToTunnel(): void {
    this.#state = 'tunnel';
    const rest = this.#buffer;
    this.#buffer = '';
    if (rest !== '') this.#context.onTunnel?.(Buffer.from(rest, 'latin1'));
  }

  push(chunk: Buffer): void {
    if (this.#state === 'tunnel') {
      this.#context.onTunnel?.(chunk);
      return;
    }
    this.#buffer += chunk.toString('latin1');
    while (this.#step());
  }

  /** The peer has closed: what was being read is finished or cut. */
  end(how: string): void {
    const message = this.#message;
    this.#message = undefined;
    if (message !== undefined) {
      if (this.#state !== 'until-close' || how !== 'closed') message.cut = how;
      this.#context.onMessage(message);
    } else if (this.#buffer !== '' && this.#state === 'head') {
      this.#context.onMessage({ line: this.#buffer, headers: [], body: '', trailers: [], cut: `${how} in head` });
    }
    this.#state = 'head';
    this.#buffer = '';
  }

  #finish(): boolean {
    const message = this.#message;
    this.#message = undefined;
    if ((this.#state as string) !== 'tunnel') this.#state = 'head';
    if (message !== undefined) this.#context.onMessage(message);
    return this.#buffer !== '' && (this.#state as string) !== 'tunnel';
  }

  #line(): string | undefined {
    const end = this.#buffer.indexOf('\n');
    if (end < 0) return undefined;
    const line = this.#buffer.slice(0, end).replace(/\r$/, '');
    this.#buffer = this.#buffer.slice(end + 1);
    return line;
  }

  #step(): boolean {
    const message = this.#message;
    if (message === undefined) return this.#head();
    switch (this.#state) {
      case 'length':
      case 'chunk': {
        const taken = this.#buffer.slice(0, this.#left);
        this.#buffer = this.#buffer.slice(taken.length);
        this.#left -= taken.length;
        message.body += taken;
        if (this.#left > 0) return false;
        if (this.#state === 'length') return this.#finish();
        if (this.#line() === undefined) return false;
        this.#state = 'chunk-size';
        return true;
      }
      case 'chunk-size': {
        const line = this.#line();
        if (line === undefined) return false;
        this.#left = Number.parseInt(line, 16) || 0;
        this.#state = this.#left === 0 ? 'trailers' : 'chunk';
        return true;
      }
      case 'trailers': {
        const line = this.#line();
        if (line === undefined) return false;
        if (line === '') return this.#finish();
        message.trailers.push(...fieldsOf([line]));
        return true;
      }
      case 'until-close':
        message.body += this.#buffer;
        this.#buffer = '';
        return false;
      default:
        return false;
    }
  }

  #head(): boolean {
    const end = /\r?\n\r?\n/.exec(this.#buffer);
    if (end === null) return false;
    const [line = '', ...rest] = this.#buffer.slice(0, end.index).split(/\r?\n/);
    this.#buffer = this.#buffer.slice(end.index + end[0].length);
    const message: Message = { line, headers: fieldsOf(rest), body: '', trailers: [] };
    this.#message = message;
    this.#context.onHead?.(message);
    const { methods } = this.#context;
    if (methods !== undefined) {
      const status = Number(line.split(' ')[1]);
      if (status >= 100 && status < 200 && status !== 101) return this.#finish();
      const method = methods.shift() ?? 'GET';
      if (status === 101 || (method === 'CONNECT' && status >= 200 && status < 300)) {
        this.#finish();
        this.switchToTunnel();
        return false;
      }
      if (method === 'HEAD' || status === 204 || status === 304) return this.#finish();
    }
    if (/chunked/i.test(fieldValue(message.headers, 'transfer-encoding') ?? '')) this.#state = 'chunk-size';
    else if (fieldValue(message.headers, 'content-length') !== undefined) {
      this.#left = Number(fieldValue(message.headers, 'content-length'));
      if (this.#left === 0) return this.#finish();
      this.#state = 'length';
    } else if (methods === undefined) return this.#finish();
    else this.#state = 'until-close';
    return true;
  }
}
