import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorText, type Logger } from '@xebec/core';
import { type WebSocket, WebSocketServer } from 'ws';
import { isAllowed } from './authorization.ts';
import type { ObjectEngine, UserInfo } from './engine.ts';
import { type KubeObject, objectsAt, textAt } from './object.ts';
import { parseResourcePath, type ResourcePath } from './request.ts';
import { ApiError, badRequest, forbidden, internalError, noSuchPath, unauthorized } from './status.ts';
import { dialNode, refuseChannels, serveChannels, servePortForward, serveSpdyExec } from './streaming.ts';

export interface KubeletProxyOptions {
  readonly engine: ObjectEngine;
  readonly logger: Logger;
  /** The node agent's Unix socket; undefined: there is no node. */
  readonly socketPath: string | undefined;
}

type Authenticate = (request: IncomingMessage) => Promise<UserInfo | undefined>;

export interface KubeletProxy {
  containerLog(path: ResourcePath, query: URLSearchParams, response: ServerResponse): Promise<void>;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, authenticate: Authenticate): Promise<void>;
  close(): void;
}

const LOG_PARAMETERS = ['follow', 'tailLines', 'sinceSeconds', 'sinceTime', 'timestamps', 'previous', 'limitBytes'] as const;
const TUNNEL = 'SPDY/3.1+portforward.k8s.io';
/** The tunnel's name has a slash, which the ws library refuses in a subprotocol: it sees this one instead. */
const TUNNEL_ALIAS = 'spdy-3.1-portforward';
const CHANNEL_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
const MAX_MESSAGE = 16 * 1024 * 1024;

/** Forwards what only the node can answer (logs, exec, attach, port-forward) to the node agent's socket. */
export function createKubeletProxy({ engine, logger, socketPath }: KubeletProxyOptions): KubeletProxy {
  const open = new Set<Duplex>();
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    handleProtocols: (offered) => [TUNNEL_ALIAS, ...CHANNEL_PROTOCOLS].find((name) => offered.has(name)) ?? false,
  });
  webSockets.on('headers', (headers) => {
    const index = headers.indexOf(`Sec-WebSocket-Protocol: ${TUNNEL_ALIAS}`);
    if (index >= 0) headers[index] = `Sec-WebSocket-Protocol: ${TUNNEL}`;
  });

  const authorize = async (
    request: IncomingMessage,
    authenticate: Authenticate,
  ): Promise<{ path: ResourcePath; query: URLSearchParams; pod: KubeObject }> => {
    const url = new URL(request.url ?? '/', 'https://localhost');
    const user = await authenticate(request);
    if (user === undefined) throw unauthorized();
    const path = parseResourcePath(engine.registry, url.pathname);
    if (path === undefined || !['exec', 'attach', 'portforward'].includes(path.subresource)) throw noSuchPath();
    const query = {
      verb: 'create',
      group: '',
      resource: 'pods',
      subresource: path.subresource,
      namespace: path.namespace,
      name: path.name,
    };
    if (!isAllowed(engine.store, user, query)) {
      throw forbidden(
        path.resource,
        path.name,
        `User "${user.username}" cannot create resource "pods/${path.subresource}" in API group "" in the namespace "${path.namespace}"`,
      );
    }
    return { path, query: url.searchParams, pod: engine.get(path.resource, path.namespace, path.name) };
  };

  const execTarget = (path: ResourcePath, query: URLSearchParams, pod: KubeObject): string => {
    const container = chooseContainer(pod, query.get('container') ?? '');
    const forwarded = new URLSearchParams();
    for (const name of ['command', 'stdin', 'stdout', 'stderr', 'tty'])
      for (const value of query.getAll(name)) forwarded.append(name, value);
    return `/${path.subresource}/${path.namespace}/${path.name}/${container}?${forwarded}`;
  };

  const accept = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    new Promise<WebSocket>((resolve) => webSockets.handleUpgrade(request, socket, head, (webSocket) => resolve(webSocket)));

  const serve = async (request: IncomingMessage, socket: Duplex, head: Buffer, authenticate: Authenticate): Promise<void> => {
    const { path, query, pod } = await authorize(request, authenticate);
    const dialPort = (port: number) => dialNode(socketPath, `/connect/${path.namespace}/${path.name}?port=${port}`, 'tcp');
    const upgrade = (request.headers.upgrade ?? '').toLowerCase();
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (upgrade === 'websocket' && path.subresource === 'portforward') {
      if (!offered.includes(TUNNEL)) throw badRequest(`port-forward over WebSocket wants the subprotocol ${TUNNEL}`);
      request.headers['sec-websocket-protocol'] = TUNNEL_ALIAS;
      const webSocket = await accept(request, socket, head);
      const connection = servePortForward(
        (bytes) => webSocket.send(bytes),
        () => webSocket.close(1000),
        dialPort,
      );
      webSocket.on('message', (data) =>
        connection.receive(Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data)),
      );
      webSocket.on('close', () => connection.close('client left'));
      webSocket.on('error', () => connection.close('client left'));
      return;
    }
    if (upgrade === 'websocket') {
      if (!CHANNEL_PROTOCOLS.some((name) => offered.includes(name)))
        throw badRequest(`unable to upgrade: unsupported subprotocols, want one of ${CHANNEL_PROTOCOLS.join(', ')}`);
      const target = execTarget(path, query, pod);
      const webSocket = await accept(request, socket, head);
      // Input may come before the node answers: the socket stays paused until somebody listens.
      webSocket.pause();
      await dialNode(socketPath, target, 'xebec-exec').then(
        (node) => serveChannels(webSocket, node),
        (error: unknown) => refuseChannels(webSocket, errorText(error)),
      );
      webSocket.resume();
      return;
    }
    if (upgrade !== 'spdy/3.1') throw badRequest('Upgrade request required');
    const versions = (request.headers['x-stream-protocol-version'] ?? '')
      .toString()
      .split(',')
      .map((name) => name.trim());
    const version =
      path.subresource === 'portforward'
        ? 'portforward.k8s.io'
        : (['v5.channel.k8s.io', 'v4.channel.k8s.io'].find((name) => versions.includes(name)) ?? 'v4.channel.k8s.io');
    const target = path.subresource === 'portforward' ? '' : execTarget(path, query, pod);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${version}\r\n\r\n`,
    );
    const isTty = query.get('tty') === 'true';
    const wanted = (name: string) => (query.get(name) === 'true' || query.get(name) === '1' ? 1 : 0);
    const streams = 1 + wanted('stdin') + wanted('stdout') + (isTty ? 1 : wanted('stderr'));
    const connection =
      target === ''
        ? servePortForward(
            (bytes) => socket.write(bytes),
            () => socket.end(),
            dialPort,
          )
        : serveSpdyExec(socket, streams, () => dialNode(socketPath, target, 'xebec-exec'));
    socket.on('data', (bytes: Buffer) => connection.receive(bytes));
    socket.on('close', () => connection.close('client left'));
    if (head.length > 0) connection.receive(head);
  };

  return {
    containerLog: async (path, query, response) => {
      const pod = engine.get(path.resource, path.namespace, path.name);
      const container = chooseContainer(pod, query.get('container') ?? '');
      const forwarded = new URLSearchParams();
      for (const name of LOG_PARAMETERS) for (const value of query.getAll(name)) forwarded.append(name, value);
      await streamLog(socketPath, `/containerLogs/${path.namespace}/${path.name}/${container}?${forwarded}`, response);
    },
    upgrade: async (request, socket, head, authenticate) => {
      open.add(socket);
      socket.on('close', () => open.delete(socket));
      socket.on('error', () => socket.destroy());
      try {
        await serve(request, socket, head, authenticate);
      } catch (error) {
        const failure = error instanceof ApiError ? error : internalError(errorText(error));
        logger.debug({ error: failure.message }, 'upgrade refused');
        const body = JSON.stringify(failure.toStatus());
        socket.end(
          `HTTP/1.1 ${failure.code} Error\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
        );
      }
    },
    close: () => {
      for (const socket of open) socket.destroy();
      webSockets.close();
    },
  };
}

/** The container a request means: the one named, the default one, or the only one. */
export function chooseContainer(pod: KubeObject, wanted: string): string {
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
