import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createCsr, generateKeys } from '@xebec/identity';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { cpuOf } from '../proxy/contenders.ts';
import { end, nodeFlags, own } from '../src/child-process.ts';
import { freePort } from '../src/free-ports.ts';
import type { ClientOrder } from './clients.ts';
import { framedRequest } from './framed-request.ts';

const root = resolve(import.meta.dirname, '../..');
/** Cores: the server alone on the first, clients on the second. */
export const SERVER_CORE = '0';
const CLIENT_CORE = '1';
const READY_DEADLINE_MS = 30_000;
const WARM_UP_MS = 3_000;
/** Requests at a time over connections that are kept, and connections at a time where they are not. */
const KEPT_STREAMS = 32;
const NEW_CONNECTIONS = 8;
const CONNECTIONS_A_RUN = 64;

export interface RunningCitadel {
  readonly port: number;
  readonly rootPem: string;
  /** Of a workload, good for an hour. */
  readonly token: string;
  /** A framed request, for clients that send the same again and again. */
  readonly requestFile: string;
  /** Certificates since the start. */
  issued(): Promise<number>;
  cpuUs(): number;
  stop(): Promise<void>;
}

export interface Measured {
  readonly perSecond: number;
  /** Server CPU for each certificate, every thread. */
  readonly cpuUs: number;
  /** CPU of the cryptography alone, where it was measured in the same run. */
  readonly rawUs?: number;
}

/** xebec-citadel as it is run, with an ECDSA P-256 root in a folder. `XEBEC_NODE_FLAGS` gives its Node more flags. */
export async function startCitadel(folder: string): Promise<RunningCitadel> {
  const issuer = await generateKeyPair('ES256', { extractable: true });
  const jwks = join(folder, 'jwks.json');
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...(await exportJWK(issuer.publicKey)), kid: 'k', alg: 'ES256' }] }));
  const token = await new SignJWT({})
    .setProtectedHeader({ alg: 'ES256', kid: 'k' })
    .setSubject('system:serviceaccount:default:reviews')
    .setAudience('istio-ca')
    .setExpirationTime('1h')
    .sign(issuer.privateKey);
  const requestFile = join(folder, 'request.bin');
  writeFileSync(requestFile, framedRequest(createCsr(await generateKeys('ecdsa-p256'))));
  const http = await freePort();
  const bin = join(root, 'apps/citadel/bin/xebec-citadel.ts');
  const options = ['--ca-dir', join(folder, 'ca'), '--jwt-jwks', jwks, '--root-key-type', 'ecdsa-p256'];
  const addresses = ['--grpc-addr', '127.0.0.1:0', '--http-addr', `127.0.0.1:${http}`];
  const child = own(
    spawn('taskset', ['-c', SERVER_CORE, process.execPath, ...nodeFlags(), bin, ...options, ...addresses], {
      stdio: ['ignore', 'ignore', 'pipe'],
    }),
  );
  const port = await portOf(child);
  return {
    port,
    rootPem: readFileSync(join(folder, 'ca/self-signed/root-cert.pem'), 'utf8'),
    token,
    requestFile,
    issued: async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text();
      return Number(/^citadel_server_success_cert_issuance_count (\d+)/m.exec(metrics)?.[1]);
    },
    cpuUs: () => {
      const { userUs, sysUs } = cpuOf(child.pid ?? 0);
      return userUs + sysUs;
    },
    stop: () => end(child),
  };
}

/** The port that the log tells; the rest of the log is read and dropped. */
function portOf(child: ChildProcess): Promise<number> {
  return new Promise((done, failed) => {
    let log = '';
    const late = setTimeout(() => failed(new Error(`citadel is not ready; it printed:\n${log}`)), READY_DEADLINE_MS);
    child.once('exit', () => failed(new Error(`citadel ended; it printed:\n${log}`)));
    child.stderr?.on('data', (chunk: Buffer) => {
      if (log.length > 10_000) return;
      log += chunk.toString('utf8');
      const found = /"grpcPort":(\d+)/.exec(log)?.[1];
      if (found === undefined) return;
      clearTimeout(late);
      done(Number(found));
    });
  });
}

/** How clients ask. */
export interface Load {
  /** With a certificate of the mesh instead of a token. */
  readonly mutual: boolean;
  /** A new connection for each request. */
  readonly reconnect: boolean;
}

/** Asks for so long, and divides what the server did meanwhile by the certificates that it says it has issued. */
export async function measureServer(citadel: RunningCitadel, load: Load, seconds: number): Promise<Measured> {
  const clients = load.mutual ? nodeClients(citadel, load.reconnect) : h2loadClients(citadel, load.reconnect);
  try {
    await sleep(WARM_UP_MS);
    const [issued, cpu, start] = [await citadel.issued(), citadel.cpuUs(), performance.now()];
    await sleep(seconds * 1000);
    const [more, spent, ms] = [(await citadel.issued()) - issued, citadel.cpuUs() - cpu, performance.now() - start];
    if (more === 0) throw new Error('citadel issued nothing');
    return { perSecond: (more * 1000) / ms, cpuUs: spent / more };
  } finally {
    await clients.stop();
  }
}

interface Clients {
  stop(): Promise<void>;
}

/** h2load cannot show a certificate. */
function nodeClients(citadel: RunningCitadel, reconnect: boolean): Clients {
  const { port, rootPem, token } = citadel;
  const order: ClientOrder = { port, rootPem, token, reconnect, askers: reconnect ? NEW_CONNECTIONS : KEPT_STREAMS };
  const child = onClientCore([process.execPath, join(import.meta.dirname, 'clients.ts')], 'pipe');
  child.stdin?.end(JSON.stringify(order));
  return { stop: () => end(child) };
}

/** With a token; h2load makes each connection once, so for new ones it is started again and again. */
function h2loadClients(citadel: RunningCitadel, reconnect: boolean): Clients {
  const headers = ['content-type: application/grpc', 'te: trailers', `authorization: Bearer ${citadel.token}`].flatMap((header) => [
    '-H',
    header,
  ]);
  const url = `https://127.0.0.1:${citadel.port}/istio.v1.auth.IstioCertificateService/CreateCertificate`;
  const count = reconnect
    ? ['-n', String(CONNECTIONS_A_RUN), '-c', String(CONNECTIONS_A_RUN), '-m', '1']
    : ['-D', '600', '-c', '4', '-m', String(KEPT_STREAMS / 4)];
  const command = ['h2load', ...count, '-d', citadel.requestFile, ...headers, url];
  let stopped = false;
  let child = onClientCore(command, 'ignore');
  const again = () => {
    if (stopped) return;
    child = onClientCore(command, 'ignore');
    child.once('exit', again);
  };
  child.once('exit', again);
  return {
    stop: () => {
      stopped = true;
      return end(child);
    },
  };
}

function onClientCore(command: readonly string[], stdin: 'pipe' | 'ignore'): ChildProcess {
  return own(spawn('taskset', ['-c', CLIENT_CORE, ...command], { stdio: [stdin, 'ignore', 'inherit'] }));
}
