import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Field, Peer } from '../harness/family.ts';

/** One request that a peer got. */
export interface AskedHttp {
  readonly line: string;
  readonly headers: readonly Field[];
  readonly body: string;
}

/** An HTTP/1 server that remembers what it was asked. */
export class HttpPeer {
  readonly #answer: (request: IncomingMessage, response: ServerResponse, body: string) => void;
  #asked: AskedHttp[] = [];

  constructor(answer: (request: IncomingMessage, response: ServerResponse, body: string) => void) {
    this.#answer = answer;
  }
  /** What it was asked since the last call. */
  take(): readonly AskedHttp[] {
    const asked = this.#asked;
    this.#asked = [];
    return asked;
  }
  async start(): Promise<Peer> {
    const sockets = new Set<Socket>();
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString();
        const headers: Field[] = [];
        for (let i = 0; i < request.rawHeaders.length; i += 2) headers.push([request.rawHeaders[i] ?? '', request.rawHeaders[i + 1] ?? '']);
        headers.sort(([a], [b]) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
        this.#asked.push({ line: `${request.method} ${request.url}`, headers, body });
        this.#answer(request, response, body);
      });
    });
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      port: (server.address() as AddressInfo).port, // a TCP server has one
      close() {
        server.close();
        for (const socket of sockets) socket.destroy();
      },
    };
  }
}
