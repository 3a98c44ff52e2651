import { spawn } from 'node:child_process';
import { createReadStream, existsSync, readFileSync, statSync, unlinkSync, watch } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorText } from '@xebec/core';
import { parseLogOptions, selectLog } from './log-options.ts';
import type { PodWorker } from './pod-worker.ts';

/** What the kubelet API needs to know of the node. */
export interface KubeletBackend {
  find(namespace: string, name: string): PodWorker | undefined;
  /** The command that joins its standard streams to a port inside the pod. */
  relayCommand(
    worker: PodWorker,
    port: number,
  ): { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> } | undefined;
}

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3 } as const;
const MAX_FRAME_BYTES = 16 << 20;

/** Logs, exec and port connections for the API server, over a Unix socket: see `GET /containerLogs`, `POST /exec`, `POST /connect`. */
export class KubeletApi {
  readonly #server: Server;
  readonly #backend: KubeletBackend;

  constructor(backend: KubeletBackend) {
    this.#backend = backend;
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  async listen(path: string): Promise<void> {
    if (existsSync(path)) unlinkSync(path);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(path, () => resolve());
    });
  }
  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://kubelet');
    const [, verb, namespace = '', pod = '', container = ''] = url.pathname.split('/').map(decodeURIComponent);
    if (request.method === 'GET' && verb === 'healthz') {
      response.end('ok');
      return;
    }
    const worker = this.#backend.find(namespace, pod);
    if (request.method !== 'GET' || verb !== 'containerLogs') {
      response.writeHead(404).end(`no such path: ${url.pathname}`);
    } else if (worker === undefined) {
      response.writeHead(404).end(`pod ${namespace}/${pod} does not run on this node`);
    } else {
      serveLogs(worker, container, url.searchParams, request, response);
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const url = new URL(request.url ?? '/', 'http://kubelet');
    const [, verb, namespace = '', pod = '', container = ''] = url.pathname.split('/').map(decodeURIComponent);
    socket.on('error', () => socket.destroy());
    const refuse = (status: string, message: string) => {
      socket.end(
        `HTTP/1.1 ${status}\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(message)}\r\nconnection: close\r\n\r\n${message}`,
      );
    };
    const worker = this.#backend.find(namespace, pod);
    if (worker === undefined) {
      refuse('404 Not Found', `pod ${namespace}/${pod} does not run on this node`);
      return;
    }
    if (head.length > 0) socket.unshift(head);
    if (verb === 'connect') {
      const command = this.#backend.relayCommand(worker, Number(url.searchParams.get('port')));
      if (command === undefined) refuse('400 Bad Request', `pod ${namespace}/${pod} has no network, or the port is not a number`);
      else connectPort(command, socket);
    } else if (verb === 'exec') {
      const command = url.searchParams.getAll('command');
      let spec: ReturnType<PodWorker['execCommand']>;
      try {
        spec = command.length === 0 ? undefined : worker.execCommand(container, command);
      } catch (error) {
        refuse('500 Internal Server Error', errorText(error));
        return;
      }
      if (spec === undefined) refuse('400 Bad Request', `container ${container} of pod ${namespace}/${pod} is not running`);
      else execCommand(spec, url.searchParams, socket);
    } else {
      refuse('404 Not Found', `no such path: ${url.pathname}`);
    }
  }
}

function connectPort(command: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>> }, socket: Duplex): void {
  const [file = '', ...args] = command.argv;
  const child = spawn(file, args, { env: command.env, stdio: ['pipe', 'pipe', 'ignore'] });
  child.once('error', () => socket.destroy());
  child.stdin.on('error', () => undefined);
  socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: tcp\r\nconnection: upgrade\r\n\r\n');
  socket.pipe(child.stdin);
  child.stdout.pipe(socket);
  socket.once('close', () => child.kill('SIGKILL'));
  child.once('exit', () => socket.end());
}

function frame(channel: number, payload: Buffer): Buffer {
  const out = Buffer.allocUnsafe(5 + payload.length);
  out.writeUInt8(channel, 0);
  out.writeUInt32BE(payload.length, 1);
  payload.copy(out, 5);
  return out;
}

function execCommand(
  spec: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string>>; readonly cwd: string },
  query: URLSearchParams,
  socket: Duplex,
): void {
  const [file = '', ...args] = spec.argv;
  const child = spawn(file, args, { env: spec.env, cwd: spec.cwd, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: xebec-exec\r\nconnection: upgrade\r\n\r\n');
  const tty = query.get('tty') === 'true' || query.get('tty') === '1';
  let ended = false;
  const finish = (status: object) => {
    if (ended) return;
    ended = true;
    socket.end(frame(CHANNEL.status, Buffer.from(JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, ...status }))));
  };
  child.once('error', (error) => finish({ status: 'Failure', reason: 'InternalError', message: errorText(error), code: 500 }));
  for (const [stream, channel] of [
    [child.stdout, CHANNEL.stdout],
    [child.stderr, tty ? CHANNEL.stdout : CHANNEL.stderr],
  ] as const) {
    stream.on('data', (chunk: Buffer) => {
      if (!ended && !socket.write(frame(channel, chunk))) {
        stream.pause();
        socket.once('drain', () => stream.resume());
      }
    });
  }
  child.stdin.on('error', () => undefined);
  if (query.get('stdin') !== 'true' && query.get('stdin') !== '1') child.stdin.end();
  child.once('close', (code, signal) => {
    const exitCode = code ?? 137;
    if (exitCode === 0) finish({ status: 'Success' });
    else {
      finish({
        status: 'Failure',
        reason: 'NonZeroExitCode',
        message: `command terminated with ${signal === null ? `non-zero exit code: exit status ${exitCode}` : `signal ${signal}`}`,
        details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
        code: 500,
      });
    }
  });
  readFrames(socket, (channel, payload) => {
    if (channel !== CHANNEL.stdin || child.stdin.writableEnded) return;
    if (payload.length === 0) child.stdin.end();
    else if (!child.stdin.write(payload)) {
      socket.pause();
      child.stdin.once('drain', () => socket.resume());
    }
  });
  socket.once('close', () => {
    if (ended || child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It ended in the meantime.
    }
  });
}

function readFrames(socket: Duplex, onFrame: (channel: number, payload: Buffer) => void): void {
  let buffer: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    while (buffer.length >= 5) {
      const length = buffer.readUInt32BE(1);
      if (length > MAX_FRAME_BYTES) {
        socket.destroy();
        return;
      }
      if (buffer.length < 5 + length) return;
      onFrame(buffer.readUInt8(0), buffer.subarray(5, 5 + length));
      buffer = buffer.subarray(5 + length);
    }
  });
}

function serveLogs(worker: PodWorker, container: string, query: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
  const known = [...(worker.pod.spec?.containers ?? []), ...(worker.pod.spec?.initContainers ?? [])].some(
    (candidate) => candidate.name === container,
  );
  if (!known) {
    response.writeHead(400).end(`container ${container} is not valid for pod ${worker.pod.metadata?.name}`);
    return;
  }
  const options = parseLogOptions(query, Date.now());
  const current = worker.logFileOf(container);
  const file = options.previous ? `${current}.previous` : current;
  response.writeHead(200, { 'content-type': 'text/plain' });
  if (!existsSync(file)) {
    response.end();
    return;
  }
  const content = readFileSync(file);
  response.write(selectLog(content.toString('utf8'), statSync(file).mtimeMs, options));
  if (options.previous || !options.follow) {
    response.end();
    return;
  }
  follow(file, content.length, options.timestamps, request, response, () => !worker.stopping);
}

/** Streams what the file gains until the reader leaves or the pod ends. */
function follow(
  file: string,
  from: number,
  stamps: boolean,
  request: IncomingMessage,
  response: ServerResponse,
  alive: () => boolean,
): void {
  let position = from;
  let reading = false;
  const more = () => {
    if (reading || response.writableEnded) return;
    const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
    if (size < position) position = 0;
    if (size === position) return;
    reading = true;
    const stream = createReadStream(file, { start: position, end: size - 1 });
    stream.on('data', (chunk) => {
      position += chunk.length;
      const text = chunk.toString();
      response.write(stamps ? text.replaceAll(/^(?=.)/gm, `${new Date().toISOString()} `) : text);
    });
    stream.once('close', () => {
      reading = false;
      more();
    });
    stream.once('error', () => undefined);
  };
  const watcher = watch(file, more);
  watcher.on('error', () => undefined);
  // A deleted pod's file sends no event to a watcher of its own.
  const check = setInterval(() => (alive() ? more() : response.end()), 500);
  request.once('close', () => response.end());
  response.once('close', () => {
    watcher.close();
    clearInterval(check);
  });
}
