import { writeFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { certificateClient } from '@xebec/agent';
import { createCsr, generateKeys } from '@xebec/identity';
import type { Mesh } from './mesh.ts';

/** Key and chain of a workload that has turned against the mesh. */
export interface AttackerIdentity {
  readonly key: string;
  readonly cert: string;
}

/** A certificate as a pod with this service account gets it. */
export async function identityOf(mesh: Mesh, namespace: string, account: string): Promise<AttackerIdentity> {
  const tokenFile = join(mesh.directory, `token-${namespace}-${account}`);
  writeFileSync(tokenFile, await mesh.token(namespace, account), { mode: 0o600 });
  const sign = certificateClient({
    caAddress: `${mesh.host}:${mesh.ports.citadel}`,
    tokenFile,
    rootFile: mesh.rootFile,
    serverName: 'istio-citadel.istio-system.svc',
  });
  const keys = await generateKeys('ecdsa-p256');
  const chain = await sign(createCsr(keys), 3_600);
  return { key: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(), cert: chain.slice(0, -1).join('\n') };
}

const QUIET_MS = 400;
const LIMIT_MS = 4_000;

function converse(open: () => Socket, ready: string, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = open();
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(text);
    };
    let timer = setTimeout(finish, LIMIT_MS);
    socket.on(ready, () => socket.write(Buffer.from(bytes, 'latin1')));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(finish, QUIET_MS);
    });
    socket.on('error', finish);
    socket.on('close', finish);
  });
}

/** What a peer answers to bytes on a plain connection; empty where it gives nothing. */
export function callPlain(host: string, port: number, bytes: string): Promise<string> {
  return converse(() => connectTcp(port, host), 'connect', bytes);
}

/** The same over TLS with a certificate, as a sidecar of the mesh opens it. */
export function callTls(
  host: string,
  port: number,
  identity: AttackerIdentity | undefined,
  bytes: string,
  options: ConnectionOptions = {},
): Promise<string> {
  return converse(
    () => connectTls({ host, port, ...identity, rejectUnauthorized: false, ALPNProtocols: ['istio-http/1.1', 'istio'], ...options }),
    'secureConnect',
    bytes,
  );
}
