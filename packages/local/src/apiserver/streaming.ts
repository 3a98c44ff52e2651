import { request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { CHANNEL, encodeFrame, FrameReader } from './node-frames.ts';
import { SpdyConnection, type SpdyStream } from './spdy.ts';

/** Opens an upgraded connection to the node agent; the socket carries raw bytes afterwards. */
export function dialNode(socketPath: string | undefined, path: string, protocol: string): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    if (socketPath === undefined) return reject(new Error('no node runs pods: the node agent is not configured'));
    const call = httpRequest({ socketPath, path, method: 'POST', headers: { connection: 'Upgrade', upgrade: protocol } });
    call.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    call.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        if (text.length < 4096) text += chunk;
      });
      response.on('end', () => reject(new Error(text.trim() || `the node agent answered ${response.statusCode}`)));
    });
    call.on('error', (error) => reject(new Error(`the node agent does not answer: ${error.message}`)));
    call.end();
  });
}

function failureStatus(message: string): Buffer {
  return Buffer.from(
    JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason: 'InternalError', message, code: 500 }),
  );
}

/** Closes what is at the other end as well. */
function couple(a: Duplex, closeOther: () => void): void {
  a.on('close', closeOther);
  a.on('error', closeOther);
}

/** exec and attach over WebSocket: channels map one to one to the node's frames. `v5` also closes stdin. */
export function serveChannels(socket: WebSocket, node: Duplex): void {
  let ended = false;
  const finish = () => {
    if (ended) return;
    ended = true;
    socket.close(1000);
    node.destroy();
  };
  const reader = new FrameReader((channel, payload) => {
    socket.send(Buffer.concat([Buffer.from([channel]), payload]));
    if (channel === CHANNEL.status) finish();
  });
  node.on('data', (bytes: Buffer) => {
    if (!reader.receive(bytes)) finish();
    else if (socket.bufferedAmount > 4 * 1024 * 1024) {
      node.pause();
      setTimeout(() => node.resume(), 20);
    }
  });
  couple(node, finish);
  socket.on('message', (data, isBinary) => {
    const bytes = Buffer.isBuffer(data) ? data : Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
    if (!isBinary || bytes.length === 0) return;
    const [channel = 0] = bytes;
    // 255 closes the channel that the next byte names.
    if (channel === 255) node.write(encodeFrame(bytes[1] ?? CHANNEL.stdin, Buffer.alloc(0)));
    else if ((channel === CHANNEL.stdin && bytes.length > 1) || channel === CHANNEL.resize)
      node.write(encodeFrame(channel, bytes.subarray(1)));
  });
  socket.on('close', () => node.destroy());
  socket.on('error', () => node.destroy());
}

/** Tells a WebSocket client why its command could not start. */
export function refuseChannels(socket: WebSocket, message: string): void {
  socket.send(Buffer.concat([Buffer.from([CHANNEL.status]), failureStatus(message)]));
  socket.close(1000);
}

const CHANNEL_OF_TYPE: Readonly<Record<string, number>> = {
  stdin: CHANNEL.stdin,
  stdout: CHANNEL.stdout,
  stderr: CHANNEL.stderr,
  error: CHANNEL.status,
  resize: CHANNEL.resize,
};

/** exec and attach over SPDY: one stream a channel, told apart by the `streamType` header. */
export function serveSpdyExec(transport: Duplex, expected: number, dial: () => Promise<Duplex>): SpdyConnection {
  const streams = new Map<number, SpdyStream>();
  const early: Buffer[] = [];
  let node: Duplex | undefined;
  const toNode = (frame: Buffer) => {
    if (node === undefined) early.push(frame);
    else node.write(frame);
  };
  const connection = new SpdyConnection({
    send: (bytes) => transport.write(bytes),
    onClose: () => {
      node?.destroy();
      transport.end();
    },
    onStream: (stream) => {
      const channel = CHANNEL_OF_TYPE[stream.headers['streamtype'] ?? ''];
      if (channel === undefined) return stream.reset();
      streams.set(channel, stream);
      if (channel === CHANNEL.stdin || channel === CHANNEL.resize) stream.onData = (chunk) => toNode(encodeFrame(channel, chunk));
      if (channel === CHANNEL.stdin) stream.onEnd = () => toNode(encodeFrame(channel, Buffer.alloc(0)));
      if (streams.size === expected) void start();
    },
  });
  const start = async () => {
    const finish = (status: Buffer) => {
      streams.get(CHANNEL.status)?.write(status);
      for (const stream of streams.values()) stream.end();
    };
    try {
      node = await dial();
    } catch (error) {
      return finish(failureStatus(error instanceof Error ? error.message : String(error)));
    }
    for (const frame of early) node.write(frame);
    const reader = new FrameReader((channel, payload) => {
      if (channel === CHANNEL.status) finish(payload);
      else streams.get(channel)?.write(payload);
    });
    node.on('data', (bytes: Buffer) => {
      if (!reader.receive(bytes)) connection.close('bad frame from the node agent');
    });
    couple(node, () => {
      for (const stream of streams.values()) stream.end();
    });
    return undefined;
  };
  return connection;
}

/** Port-forward over SPDY: for each connection the client opens an `error` and a `data` stream with one `requestID`. */
export function servePortForward(
  send: (bytes: Buffer) => void,
  close: () => void,
  dial: (port: number) => Promise<Duplex>,
): SpdyConnection {
  const errors = new Map<string, SpdyStream>();
  return new SpdyConnection({
    send,
    onClose: close,
    onStream: (stream) => {
      const id = stream.headers['requestid'] ?? stream.headers['port'] ?? '';
      const port = Number(stream.headers['port']);
      if (stream.headers['streamtype'] === 'error') {
        errors.set(id, stream);
        return;
      }
      const early: Buffer[] = [];
      let isOver = false;
      let node: Duplex | undefined;
      stream.onData = (chunk) => {
        if (node === undefined) early.push(chunk);
        else node.write(chunk);
      };
      stream.onEnd = () => {
        isOver = true;
        node?.end();
      };
      stream.onReset = () => node?.destroy();
      const finish = (message = '') => {
        const error = errors.get(id);
        errors.delete(id);
        if (message !== '') error?.write(Buffer.from(message));
        error?.end();
        stream.end();
      };
      dial(port).then(
        (socket) => {
          node = socket;
          for (const chunk of early) socket.write(chunk);
          if (isOver) socket.end();
          socket.on('data', (chunk: Buffer) => stream.write(chunk));
          socket.on('end', () => finish());
          socket.on('error', (error) => finish(error.message));
          socket.on('close', () => finish());
        },
        (error: unknown) => finish(`error forwarding port ${port} to pod: ${error instanceof Error ? error.message : String(error)}`),
      );
    },
  });
}
