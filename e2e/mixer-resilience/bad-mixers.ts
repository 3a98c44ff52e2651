import { once } from 'node:events';
import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';

/** Something that listens where Mixer should. */
export interface BadMixer {
  close(): Promise<void>;
}

/** Ways of not being Mixer, by name. Each starts on the port it is given. */
export const badMixers: Readonly<Record<string, (port: number) => Promise<BadMixer>>> = {
  'that is away': async () => ({ close: () => Promise.resolve() }),
  'that never answers': (port) => http2(port, () => undefined),
  'that accepts and says nothing': (port) => tcp(port, () => undefined),
  'that answers bytes of something else': (port) => tcp(port, (socket) => socket.end(Buffer.alloc(4096, 0xa5))),
  'that resets connections': (port) => tcp(port, (socket) => socket.once('data', () => socket.resetAndDestroy())),
  'whose messages are garbage': (port) =>
    http2(port, (session) =>
      session.on('stream', (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, 64]), Buffer.alloc(64, 0xff)]));
      }),
    ),
  'whose answers are empty': (port) =>
    http2(port, (session) =>
      session.on('stream', (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 0]));
      }),
    ),
  'that is something else': (port) =>
    http2(port, (session) =>
      session.on('stream', (stream) => {
        stream.respond({ ':status': 404, 'content-type': 'text/html' });
        stream.end('<html>');
      }),
    ),
  'that hangs up in the middle of an answer': (port) =>
    http2(port, (session) =>
      session.on('stream', (stream) => {
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
        stream.write(Buffer.from([0, 0, 0, 0, 64, 1, 2, 3]));
        setImmediate(() => session.destroy());
      }),
    ),
};

async function tcp(port: number, serve: (socket: Socket) => void): Promise<BadMixer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    serve(socket);
  });
  return listening(server, port, () => {
    for (const socket of sockets) socket.destroy();
  });
}

async function http2(port: number, serve: (session: ServerHttp2Session) => void): Promise<BadMixer> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => undefined).on('close', () => sessions.delete(session));
    session.on('stream', (stream) => stream.on('error', () => undefined));
    serve(session);
  });
  return listening(server, port, () => {
    for (const session of sessions) session.destroy();
  });
}

async function listening(server: Server | Http2Server, port: number, drop: () => void): Promise<BadMixer> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      drop();
      await closed;
    },
  };
}
