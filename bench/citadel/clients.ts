/**
 * `node clients.ts`: reads a ClientOrder as JSON from standard input and asks xebec-citadel for certificates until it is ended. Shows a
 * certificate of the mesh, which it gets by a token first. Over node:http2 without a gRPC library, so that one core of clients keeps one
 * core of server busy.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { fromBinary } from '@bufbuild/protobuf';
import { createCsr, generateKeys } from '@xebec/identity';
import { IstioCertificateResponseSchema } from '@xebec/protos/istio/v1/auth/ca';
import { framedRequest } from './framed-request.ts';

export interface ClientOrder {
  readonly port: number;
  readonly rootPem: string;
  readonly token: string;
  /** A connection for each request, instead of a few for all. */
  readonly reconnect: boolean;
  /** How many ask at the same time. */
  readonly askers: number;
}

const DIFFERENT_KEYS = 128;
const KEPT_CONNECTIONS = 4;

const order: ClientOrder = JSON.parse(await text(process.stdin));
const keys = await Promise.all(Array.from({ length: DIFFERENT_KEYS }, () => generateKeys('ecdsa-p256')));
const messages = keys.map((pair) => framedRequest(createCsr(pair)));
const headers = {
  ':method': 'POST',
  ':path': '/istio.v1.auth.IstioCertificateService/CreateCertificate',
  'content-type': 'application/grpc',
  te: 'trailers',
};

function open(identity?: { key: string; cert: string }): ClientHttp2Session {
  const address = `https://127.0.0.1:${order.port}`;
  const session = connect(address, { ca: order.rootPem, servername: 'istio-citadel.istio-system.svc', ...identity });
  session.on('error', () => undefined);
  return session;
}

function ask(session: ClientHttp2Session, message: Buffer, token: Record<string, string>, done: (answer: Buffer) => void): void {
  const stream = session.request({ ...headers, ...token });
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('error', () => undefined);
  stream.once('close', () => done(Buffer.concat(chunks)));
  stream.end(message);
}

const [firstKey] = keys;
const [firstMessage] = messages;
if (firstKey === undefined || firstMessage === undefined) throw new Error('no keys');
const session = open();
await once(session, 'connect');
const answer = await new Promise<Buffer>((done) => ask(session, firstMessage, { authorization: `Bearer ${order.token}` }, done));
session.close();
const { certChain } = fromBinary(IstioCertificateResponseSchema, answer.subarray(5));
const identity = { key: firstKey.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), cert: certChain.slice(0, -1).join('') };

let next = 0;
function askOn(kept: ClientHttp2Session | undefined): void {
  const current = kept ?? open(identity);
  ask(current, messages[next++ % DIFFERENT_KEYS] ?? firstMessage ?? Buffer.alloc(0), {}, () => {
    if (kept === undefined) current.destroy();
    askOn(kept);
  });
}

const sessions = order.reconnect ? [undefined] : Array.from({ length: KEPT_CONNECTIONS }, () => open(identity));
for (let i = 0; i < order.askers; i++) askOn(sessions[i % sessions.length]);
