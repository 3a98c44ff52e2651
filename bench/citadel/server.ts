import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { cpuOf } from '../proxy/contenders.ts';
import type { ClientCounts, ClientOrder } from './clients.ts';

const root = resolve(import.meta.dirname, '../..');
/** Cores: the server alone on the first, clients on the second. */
export const SERVER_CORE = '0';
const CLIENT_CORE = '1';
const READY_DEADLINE_MS = 30_000;
const END_DEADLINE_MS = 10_000;
const WARM_UP_MS = 2_000;

export interface RunningCitadel {
  readonly port: number;
  readonly rootPem: string;
  /** Of a workload, good for an hour. */
  readonly token: string;
  cpuUs(): number;
  stop(): Promise<void>;
}

export interface Measured {
  readonly perSecond: number;
  /** Server CPU for each certificate, every thread. */
  readonly cpuUs: number;
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
  const flags = (process.env['XEBEC_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');
  const bin = join(root, 'apps/citadel/bin/xebec-citadel.ts');
  const options = ['--ca-dir', join(folder, 'ca'), '--jwt-jwks', jwks, '--root-key-type', 'ecdsa-p256'];
  const addresses = ['--grpc-addr', '127.0.0.1:0', '--http-addr', '127.0.0.1:0'];
  const child = spawn('taskset', ['-c', SERVER_CORE, process.execPath, ...flags, bin, ...options, ...addresses], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const port = await portOf(child);
  return {
    port,
    rootPem: readFileSync(join(folder, 'ca/self-signed/root-cert.pem'), 'utf8'),
    token,
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

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  // Asked first: a profile that `XEBEC_NODE_FLAGS` ordered is written at the end.
  child.kill('SIGTERM');
  const impatient = setTimeout(() => child.kill('SIGKILL'), END_DEADLINE_MS);
  await exit;
  clearTimeout(impatient);
}

/** Clients that ask for so long; the server's CPU is taken over the same time. */
export async function measureServer(
  citadel: RunningCitadel,
  how: Pick<ClientOrder, 'mutual' | 'reconnect' | 'askers'>,
  seconds: number,
): Promise<Measured> {
  const { port, rootPem, token } = citadel;
  const order: ClientOrder = { port, rootPem, token, ...how, warmUpMs: WARM_UP_MS, ms: seconds * 1000 };
  const script = join(import.meta.dirname, 'clients.ts');
  const child = spawn('taskset', ['-c', CLIENT_CORE, process.execPath, script], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(order));
  const exit = once(child, 'exit');
  const lines: string[] = [];
  let before = 0;
  let after = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'start') before = citadel.cpuUs();
    else after = citadel.cpuUs();
    lines.push(line);
  }
  const [code] = await exit;
  const last = lines.at(-1);
  if (code !== 0 || last === undefined || last === 'start') throw new Error(`the clients ended with ${code}`);
  const counts: ClientCounts = JSON.parse(last);
  return { perSecond: (counts.requests * 1000) / counts.ms, cpuUs: (after - before) / counts.requests };
}
