import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { IstioCertificateRequestSchema, type IstioCertificateResponse, IstioCertificateService } from '@xebec/protos/istio/v1/auth/ca';
import { methodDefinition } from '@xebec/rpc';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { vi } from 'vitest';

const BIN = join(import.meta.dirname, '../../apps/citadel/bin/xebec-citadel.ts');

export interface Output {
  readonly code: number | string | null | undefined;
  readonly text: string;
}

export function run(command: string, args: readonly string[], input = ''): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(command, [...args], { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : error.code, text: `${stdout}${stderr}` }),
    );
    // Whoever reads no input may have ended before it comes.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** An issuer of tokens whose keys a file holds. */
export async function makeIssuer(jwksFile: string): Promise<(subject: string) => Promise<string>> {
  const keys = await generateKeyPair('ES256', { extractable: true });
  writeFileSync(jwksFile, JSON.stringify({ keys: [{ ...(await exportJWK(keys.publicKey)), kid: 'k', alg: 'ES256' }] }));
  return (subject) =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setSubject(subject)
      .setAudience('istio-ca')
      .setExpirationTime('1h')
      .sign(keys.privateKey);
}

export interface Citadel {
  readonly directory: string;
  readonly port: number;
  readonly httpPort: number;
  readonly rootFile: string;
  log(): string;
  /** One request; rejects with gRPC's error. */
  ask(csr: string, metadata: Readonly<Record<string, string>>, seconds?: number): Promise<IstioCertificateResponse>;
  stop(signal: NodeJS.Signals): Promise<void>;
}

/** xebec-citadel with its CA in `<directory>/ca` and the token keys of `<directory>/jwks.json`. */
export async function startCitadel(directory: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Citadel> {
  mkdirSync(directory, { recursive: true });
  const httpPort = await freePort();
  const ownArgs = ['--ca-dir', join(directory, 'ca'), '--jwt-jwks', join(directory, 'jwks.json')];
  const addresses = ['--grpc-addr', '127.0.0.1:0', '--http-addr', `127.0.0.1:${httpPort}`];
  const child = spawn(process.execPath, [BIN, ...ownArgs, ...addresses, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  let log = '';
  child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString('utf8')));
  const port = await vi.waitFor(
    () => {
      const found = /"grpcPort":(\d+)/.exec(log)?.[1];
      if (found === undefined) throw new Error(`xebec-citadel has not started: ${log}`);
      return Number(found);
    },
    { timeout: 20_000, interval: 50 },
  );
  const rootFile = join(directory, 'ca/self-signed/root-cert.pem');
  return {
    directory,
    port,
    httpPort,
    rootFile,
    log: () => log,
    ask: (csr, metadata, seconds = 600) => ask(port, readFileSync(rootFile), csr, metadata, seconds),
    stop: (signal) => stop(child, signal),
  };
}

function ask(port: number, root: Buffer, csr: string, headers: Readonly<Record<string, string>>, seconds: number) {
  const name = { 'grpc.ssl_target_name_override': 'istio-citadel.istio-system.svc', 'grpc.enable_retries': 0 };
  const caller = new Client(`127.0.0.1:${port}`, credentials.createSsl(root), name);
  const method = methodDefinition(IstioCertificateService.method.createCertificate);
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  const request = create(IstioCertificateRequestSchema, { csr, validityDuration: BigInt(seconds) });
  return new Promise<IstioCertificateResponse>((resolve, reject) =>
    caller.makeUnaryRequest(method.path, method.requestSerialize, method.responseDeserialize, request, metadata, (error, value) =>
      // methodDefinition decodes every response to a message; bytes are what servers may send.
      error === null ? resolve(value as IstioCertificateResponse) : reject(error),
    ),
  ).finally(() => caller.close());
}

async function stop(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
