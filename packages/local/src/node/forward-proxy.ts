import * as http from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** The address behind a name that a pod of `namespace` uses; undefined for names that are not of the cluster. */
export type ResolveClusterName = (name: string, namespace: string) => string | undefined;

interface Target {
  readonly host: string;
  readonly port: number;
}

/** Headers that concern one connection only (RFC 9110 section 7.6.1), and those meant for this proxy. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];

/**
 * A plain HTTP proxy for pods without sidecar where there is no name server: it knows the names of the cluster and is no part of
 * the mesh. The user name of the proxy's URL is the namespace in which short names are looked up: `http://legacy@127.22.0.1:15080`.
 * A connection that the far end breaks is broken for the client too, as it would be without proxy.
 */
export class ForwardProxy {
  readonly #server: http.Server;
  readonly #resolve: ResolveClusterName;

  constructor(resolve: ResolveClusterName) {
    this.#resolve = resolve;
    this.#server = http.createServer((request, response) => this.#forward(request, response));
    this.#server.on('connect', (request, socket) => this.#tunnel(request, socket));
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }
  /** Rejects where the address cannot be bound. */
  listen(port: number, address: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => undefined);
        resolve();
      });
    });
  }
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #forward(request: http.IncomingMessage, response: http.ServerResponse): void {
    const url = URL.canParse(request.url ?? '') ? new URL(request.url ?? '') : undefined;
    if (url?.protocol !== 'http:') {
      response.writeHead(400, { 'content-type': 'text/plain' }).end('this is a proxy: it wants http:// and a host in the request line\n');
      return;
    }
    const target = this.#target(request, url.hostname, url.port === '' ? 80 : Number(url.port));
    const headers = request.rawHeaders.flatMap((name, at, all) =>
      at % 2 === 0 && !HOP_BY_HOP.includes(name.toLowerCase()) ? [name, all[at + 1] ?? ''] : [],
    );
    if (request.headers['transfer-encoding'] !== undefined) headers.push('Transfer-Encoding', 'chunked');
    const path = `${url.pathname}${url.search}`;
    const upstream = http.request({ ...target, path, method: request.method ?? 'GET', headers, agent: false, setDefaultHeaders: false });
    upstream.once('response', (answer) => {
      const own = answer.rawHeaders.flatMap((name, at, all) =>
        at % 2 === 0 && !HOP_BY_HOP.includes(name.toLowerCase()) ? [name, all[at + 1] ?? ''] : [],
      );
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', own);
      answer.pipe(response);
      answer.once('error', () => response.destroy());
    });
    upstream.on('error', () => response.destroy());
    response.once('close', () => upstream.destroy());
    request.pipe(upstream);
  }

  #tunnel(request: http.IncomingMessage, client: Duplex): void {
    const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(request.url ?? '');
    if (match?.[1] === undefined || Number(match[2]) > 65_535) {
      client.end('HTTP/1.1 400 Bad Request\r\n\r\n');
      return;
    }
    const upstream: Socket = connect({ ...this.#target(request, match[1], Number(match[2])), allowHalfOpen: true });
    upstream.once('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream);
      upstream.pipe(client);
    });
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
    client.once('close', () => upstream.destroy());
  }

  #target(request: http.IncomingMessage, name: string, port: number): Target {
    const [scheme, encoded = ''] = (request.headers['proxy-authorization'] ?? '').split(' ');
    const user = scheme?.toLowerCase() === 'basic' ? Buffer.from(encoded, 'base64').toString('utf8').split(':')[0] : undefined;
    return { host: this.#resolve(name, user === undefined || user === '' ? 'default' : user) ?? name, port };
  }
}
