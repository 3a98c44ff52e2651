import { connect, type Socket } from 'node:net';
import { decode } from '@msgpack/msgpack';
import type { HostPort } from '../delivery/protobuf-fields.ts';

/** An answer is a map with one short string. */
const MAX_ACK_BYTES = 4096;

/** A connection to a fluentd that is opened when there is something to send, and anew after it broke. */
export class ForwardConnection {
  readonly #address: HostPort;
  #socket: Socket | undefined;
  #answer = Buffer.alloc(0);
  #onAnswer: ((chunk: string | Error) => void) | undefined;

  constructor(address: HostPort) {
    this.#address = address;
  }
  /** Writes a message; resolves when it is out, or with a `chunk` when the other end has it. */
  async send(message: Uint8Array, chunk: string | undefined, signal: AbortSignal): Promise<void> {
    const abandon = () => this.close();
    signal.addEventListener('abort', abandon);
    try {
      const socket = await this.#open();
      const acknowledged = chunk === undefined ? undefined : this.#acknowledged(chunk);
      // Whatever fails first is told; the other is not to be an unhandled rejection.
      acknowledged?.catch(() => undefined);
      await new Promise<void>((resolve, reject) =>
        socket.write(message, (error) => (error === null || error === undefined ? resolve() : reject(error))),
      );
      await acknowledged;
    } catch (error) {
      this.close();
      throw error;
    } finally {
      signal.removeEventListener('abort', abandon);
    }
  }
  close(): void {
    this.#socket?.destroy();
    this.#lost(new Error('the connection was closed'));
  }

  #open(): Promise<Socket> {
    if (this.#socket !== undefined) return Promise.resolve(this.#socket);
    return new Promise((resolve, reject) => {
      const socket = connect({ ...this.#address, noDelay: true, keepAlive: true });
      this.#socket = socket;
      this.#answer = Buffer.alloc(0);
      socket.once('connect', () => resolve(socket));
      socket.on('data', (bytes: Buffer) => this.#read(bytes));
      socket.on('error', reject);
      socket.on('end', () => socket.destroy());
      socket.on('close', () => {
        const lost = new Error(`${this.#address.host}:${this.#address.port} closed the connection`);
        reject(lost);
        if (this.#socket === socket) this.#lost(lost);
      });
    });
  }
  #lost(error: Error): void {
    this.#socket = undefined;
    this.#onAnswer?.(error);
  }
  #acknowledged(chunk: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#onAnswer = (answer) => {
        this.#onAnswer = undefined;
        if (answer === chunk) resolve();
        else reject(typeof answer === 'string' ? new Error('the answer is for another message') : answer);
      };
    });
  }
  #read(bytes: Buffer): void {
    if (this.#onAnswer === undefined) return;
    this.#answer = Buffer.concat([this.#answer, bytes]);
    let message: unknown;
    try {
      message = decode(this.#answer);
    } catch {
      // Not whole yet, unless it is too long to become an answer.
      if (this.#answer.length > MAX_ACK_BYTES) this.close();
      return;
    }
    this.#answer = Buffer.alloc(0);
    const ack = typeof message === 'object' && message !== null && 'ack' in message ? message.ack : undefined;
    this.#onAnswer(typeof ack === 'string' ? ack : new Error('the answer has no ack'));
  }
}
