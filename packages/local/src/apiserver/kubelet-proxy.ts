import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '@xebec/core';
import type { ObjectEngine, UserInfo } from './engine.ts';
import { objectsAt, textAt } from './object.ts';
import type { ResourcePath } from './request.ts';
import { ApiError, badRequest } from './status.ts';

export interface KubeletProxyOptions {
  readonly engine: ObjectEngine;
  readonly logger: Logger;
  /** The node agent's Unix socket; undefined: there is no node. */
  readonly socketPath: string | undefined;
}

export interface KubeletProxy {
  containerLog(path: ResourcePath, query: URLSearchParams, response: ServerResponse): Promise<void>;
  upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    authenticate: (request: IncomingMessage) => Promise<UserInfo | undefined>,
  ): Promise<void>;
  close(): void;
}

const LOG_PARAMETERS = ['follow', 'tailLines', 'sinceSeconds', 'sinceTime', 'timestamps', 'previous', 'limitBytes'] as const;

/** Forwards what only the node can answer (logs, exec, attach, port-forward) to the node agent's socket. */
export function createKubeletProxy({ engine, socketPath }: KubeletProxyOptions): KubeletProxy {
  const open = new Set<Duplex>();
  return {
    containerLog: async (path, query, response) => {
      const pod = engine.get(path.resource, path.namespace, path.name);
      const container = chooseContainer(pod, query.get('container') ?? '');
      const forwarded = new URLSearchParams();
      for (const name of LOG_PARAMETERS) for (const value of query.getAll(name)) forwarded.append(name, value);
      await streamLog(socketPath, `/containerLogs/${path.namespace}/${path.name}/${container}?${forwarded}`, response);
    },
    upgrade: async (_request, socket) => {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => open.delete(socket));
      socket.end('HTTP/1.1 501 Not Implemented\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    },
    close: () => {
      for (const socket of open) socket.destroy();
    },
  };
}

/** The container a request means: the one named, the default one, or the only one. */
export function chooseContainer(pod: import('./object.ts').KubeObject, wanted: string): string {
  const containers = objectsAt(pod, 'spec', 'containers').map((item) => textAt(item, 'name'));
  const all = [...containers, ...objectsAt(pod, 'spec', 'initContainers').map((item) => textAt(item, 'name'))];
  const { name } = pod.metadata;
  if (wanted !== '') {
    if (!all.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${name}`);
    return wanted;
  }
  const preferred = pod.metadata.annotations?.['kubectl.kubernetes.io/default-container'] ?? '';
  if (containers.includes(preferred)) return preferred;
  const [only] = containers;
  if (only === undefined || containers.length > 1)
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${containers.join(' ')}]`);
  return only;
}

function streamLog(socketPath: string | undefined, path: string, response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socketPath === undefined)
      return reject(new ApiError(503, 'ServiceUnavailable', 'no node runs pods: the node agent is not configured'));
    const call = httpRequest({ socketPath, path, method: 'GET' }, (answer) => {
      const code = answer.statusCode ?? 502;
      if (code !== 200) {
        let text = '';
        answer.setEncoding('utf8');
        answer.on('data', (chunk: string) => {
          if (text.length < 4096) text += chunk;
        });
        answer.on('end', () => reject(code === 404 || code === 400 ? badRequest(text.trim()) : new ApiError(code, '', text.trim())));
        return;
      }
      response.writeHead(200, { 'content-type': 'text/plain' });
      response.flushHeaders();
      answer.pipe(response);
      answer.on('end', () => resolve());
      answer.on('error', () => {
        response.destroy();
        resolve();
      });
      response.on('close', () => {
        call.destroy();
        resolve();
      });
    });
    call.on('error', (error) => reject(new ApiError(503, 'ServiceUnavailable', `the node agent does not answer: ${error.message}`)));
    call.end();
  });
}
