/**
 * `node clients.ts`: reads a ClientOrder as JSON from standard input, asks xebec-citadel for certificates for so long, and prints how many
 * came. Over node:http2 without a gRPC library, so that one core of clients keeps one core of server busy.
 */
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { text } from 'node:stream/consumers';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { createCsr, generateKeys } from '@xebec/identity';
import { IstioCertificateRequestSchema, IstioCertificateResponseSchema } from '@xebec/protos/istio/v1/auth/ca';

export interface ClientOrder {
  readonly port: number;
  readonly rootPem: string;
  readonly token: string;
  /** Ask with a certificate of the mesh, which is got by the token first, instead of the token. */
  readonly mutual: boolean;
  /** A connection for each request, instead of one for each asker. */
  readonly reconnect: boolean;
  /** How many ask at the same time. */
  readonly askers: number;
  readonly warmUpMs: number;
  readonly ms: number;
}

export interface ClientCounts {
  readonly requests: number;
  readonly ms: number;
}

const PATH = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const DIFFERENT_KEYS = 128;

const order: ClientOrder = JSON.parse(await text(process.stdin));
const keys = await Promise.all(Array.from({ length: DIFFERENT_KEYS }, () => generateKeys('ecdsa-p256')));
const messages = keys.map((pair) =>
  framed(toBinary(IstioCertificateRequestSchema, create(IstioCertificateRequestSchema, { csr: createCsr(pair) }))),
);
const first = keys[0];
const firstMessage = messages[0];
if (first === undefined || firstMessage === undefined) throw new Error('no keys');

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

let identity: { key: string; cert: string } | undefined;

async function open(): Promise<ClientHttp2Session> {
  const session = connect(`https://127.0.0.1:${order.port}`, {
    ca: order.rootPem,
    servername: 'istio-citadel.istio-system.svc',
    ...identity,
  });
  session.on('error', () => undefined);
  await once(session, 'connect');
  return session;
}

async function ask(session: ClientHttp2Session, message: Buffer): Promise<Buffer> {
  const stream = session.request({
    ':method': 'POST',
    ':path': PATH,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...(identity === undefined ? { authorization: `Bearer ${order.token}` } : {}),
  });
  let failure = 'no status';
  const readStatus = (headers: Readonly<Record<string, unknown>>) => {
    if (headers['grpc-status'] !== undefined) failure = headers['grpc-status'] === '0' ? '' : String(headers['grpc-message']);
  };
  stream.on('response', readStatus);
  stream.on('trailers', readStatus);
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.end(message);
  await once(stream, 'close');
  if (failure !== '') throw new Error(`citadel refuses: ${failure}`);
  return Buffer.concat(chunks).subarray(5);
}

if (order.mutual) {
  const session = await open();
  const { certChain } = fromBinary(IstioCertificateResponseSchema, await ask(session, firstMessage));
  session.close();
  identity = { key: first.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), cert: certChain.slice(0, -1).join('') };
}

let requests = 0;
let stopped = false;
async function askOn(offset: number): Promise<void> {
  let session = order.reconnect ? undefined : await open();
  for (let i = offset; !stopped; i++) {
    const message = messages[i % DIFFERENT_KEYS] ?? Buffer.alloc(0);
    session ??= await open();
    await ask(session, message);
    requests++;
    if (order.reconnect) {
      session.destroy();
      session = undefined;
    }
  }
  session?.destroy();
}

const asking = Promise.all(Array.from({ length: order.askers }, (_, i) => askOn(i * 7)));
const wait = (ms: number) => Promise.race([asking, new Promise((done) => setTimeout(done, ms))]);
await wait(order.warmUpMs);
console.log('start');
const before = requests;
const start = performance.now();
await wait(order.ms);
const counts: ClientCounts = { requests: requests - before, ms: performance.now() - start };
console.log(JSON.stringify(counts));
stopped = true;
await asking;
