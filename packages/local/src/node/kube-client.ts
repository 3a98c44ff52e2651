import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { XebecError } from '@xebec/core';
import { parse } from 'yaml';

/** What every object of the API has. Kinds use the type-only declarations of @kubernetes/client-node. */
export interface KubeObject {
  apiVersion?: string;
  kind?: string;
  metadata?: { name?: string; namespace?: string; resourceVersion?: string; uid?: string };
}

export interface WatchEvent<T extends KubeObject = KubeObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  readonly object: T;
}

export interface KubeConnection {
  readonly server: URL;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly token?: string | undefined;
}

/** An answer that is not 2xx, with the Status message the server gave. */
export class KubeError extends XebecError {
  readonly status: number;
  constructor(status: number, message: string) {
    super('E_KUBE', message);
    this.status = status;
  }
}

const MAX_BODY_BYTES = 64 << 20;

/**
 * A small client of the Kubernetes API: requests and watches with JSON bodies. The node agent and `xebec up` use it in
 * place of @kubernetes/client-node, whose import alone costs 0.2 s and 100 MB in two processes on the start-up path.
 */
export class KubeClient {
  readonly connection: KubeConnection;
  readonly #agent: http.Agent | https.Agent;
  readonly #transport: typeof http | typeof https;

  constructor(connection: KubeConnection) {
    this.connection = connection;
    const secure = connection.server.protocol === 'https:';
    this.#transport = secure ? https : http;
    this.#agent = secure
      ? new https.Agent({ keepAlive: true, maxSockets: 64, ...tls(connection) })
      : new http.Agent({ keepAlive: true, maxSockets: 64 });
  }

  async get<T = KubeObject>(path: string): Promise<T> {
    return this.request<T>('GET', path);
  }
  async post<T = KubeObject>(path: string, body: unknown): Promise<T> {
    return this.request<T>('POST', path, body);
  }
  async mergePatch<T = KubeObject>(path: string, body: unknown): Promise<T> {
    return this.request<T>('PATCH', path, body, 'application/merge-patch+json');
  }
  async delete<T = KubeObject>(path: string, body?: unknown): Promise<T> {
    return this.request<T>('DELETE', path, body);
  }
  /** Server-side apply under the given field manager; conflicts are taken over. */
  async apply<T = KubeObject>(path: string, body: unknown, manager: string): Promise<T> {
    return this.request<T>('PATCH', `${path}?fieldManager=${manager}&force=true`, body, 'application/apply-patch+yaml');
  }

  /** The answer is taken to be a `T`: the caller asks for the path of that kind. */
  request<T = KubeObject>(method: string, path: string, body?: unknown, contentType = 'application/json'): Promise<T> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const request = this.#open(
        method,
        path,
        payload === undefined ? {} : { 'content-type': contentType, 'content-length': payload.length },
      );
      request.setTimeout(30_000, () => request.destroy(new Error('no answer within 30 s')));
      request.once('error', (error) =>
        reject(new XebecError('E_KUBE', `${method} ${path} on ${this.connection.server.origin}`, { cause: error })),
      );
      request.once('response', (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > MAX_BODY_BYTES) response.destroy(new Error(`answer larger than ${MAX_BODY_BYTES} bytes`));
          else chunks.push(chunk);
        });
        response.once('error', reject);
        response.once('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const status = response.statusCode ?? 0;
          const value = decode(text);
          if (status >= 200 && status < 300) resolve((value ?? {}) as T);
          else reject(new KubeError(status, `${method} ${path}: ${String(value?.['message'] ?? text.slice(0, 200))}`));
        });
      });
      request.end(payload);
    });
  }

  /** Streams events until the server ends the watch, the signal aborts, or the connection breaks (rejects). */
  watch<T extends KubeObject>(path: string, onEvent: (event: WatchEvent<T>) => void, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const request = this.#open('GET', path, {});
      const stop = () => request.destroy();
      signal.addEventListener('abort', stop, { once: true });
      const done = (error?: Error) => {
        signal.removeEventListener('abort', stop);
        if (error === undefined || signal.aborted) resolve();
        else reject(error);
      };
      request.once('error', done);
      request.once('response', (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          done(new KubeError(response.statusCode ?? 0, `watch ${path} was refused with status ${response.statusCode}`));
          return;
        }
        let rest = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          const lines = (rest + chunk).split('\n');
          rest = lines.pop() ?? '';
          if (rest.length > MAX_BODY_BYTES) response.destroy(new Error('watch line too long'));
          for (const line of lines) {
            const event = line === '' ? undefined : decode(line);
            if (event !== undefined) onEvent(event as unknown as WatchEvent<T>); // the API's own frame
          }
        });
        response.once('error', done);
        response.once('close', () => done());
      });
      request.end();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #open(method: string, path: string, headers: http.OutgoingHttpHeaders): http.ClientRequest {
    const { server, token } = this.connection;
    return this.#transport.request({
      agent: this.#agent,
      host: server.hostname,
      port: server.port,
      method,
      path,
      headers: { accept: 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    });
  }
}

function tls(connection: KubeConnection): https.AgentOptions {
  const { ca, cert, key } = connection;
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined || key === undefined ? {} : { cert, key }) };
}

function decode(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

interface Kubeconfig {
  'current-context'?: string;
  contexts?: { name: string; context?: { cluster?: string; user?: string } }[];
  clusters?: { name: string; cluster?: Record<string, unknown> }[];
  users?: { name: string; user?: Record<string, unknown> }[];
}

/** Reads the current context of a kubeconfig file. Throws XebecError E_KUBECONFIG naming the file. */
export function readKubeconfig(file: string): KubeConnection {
  let config: Kubeconfig;
  try {
    config = parse(readFileSync(file, 'utf8')) as Kubeconfig; // kubeconfig's own schema; absent fields are handled below
  } catch (error) {
    throw new XebecError('E_KUBECONFIG', `cannot read kubeconfig ${file}`, { cause: error });
  }
  const context = config.contexts?.find((entry) => entry.name === config['current-context'])?.context ?? {};
  const cluster = config.clusters?.find((entry) => entry.name === context.cluster)?.cluster ?? {};
  const user = config.users?.find((entry) => entry.name === context.user)?.user ?? {};
  const { server } = cluster;
  if (typeof server !== 'string') throw new XebecError('E_KUBECONFIG', `kubeconfig ${file} names no server in its current context`);
  const pem = (owner: Record<string, unknown>, name: string): string | undefined => {
    const data = owner[`${name}-data`];
    if (typeof data === 'string') return Buffer.from(data, 'base64').toString('utf8');
    const path = owner[name];
    return typeof path === 'string' ? readFileSync(path, 'utf8') : undefined;
  };
  return {
    server: new URL(server),
    ca: pem(cluster, 'certificate-authority'),
    cert: pem(user, 'client-certificate'),
    key: pem(user, 'client-key'),
    token: typeof user['token'] === 'string' ? user['token'] : undefined,
  };
}
