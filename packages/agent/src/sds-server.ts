import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { AnySchema } from '@bufbuild/protobuf/wkt';
import { type handleBidiStreamingCall, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { errorText, type Logger } from '@xebec/core';
import { SecretSchema } from '@xebec/protos/envoy/extensions/transport_sockets/tls/v3/secret';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { SecretDiscoveryService } from '@xebec/protos/envoy/service/secret/v3/sds';
import { serviceDefinition } from '@xebec/rpc';
import type { CertificateManager } from './certificate-manager.ts';

export const SECRET_TYPE_URL = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';

type SecretInit = MessageInitShape<typeof SecretSchema>;

const MAX_NAMES = 256;

export interface SdsServer {
  close(): void;
}

/**
 * Serves Envoy's SecretDiscoveryService on a Unix socket of mode 0600: `default` (key and chain), `ROOTCA` (trusted roots),
 * `file-cert:CHAIN~KEY` and `file-root:FILE`. Resources that are not there yet are sent as soon as they are, and each rotation is pushed.
 */
export async function createSdsServer(options: { socketPath: string; manager: CertificateManager; logger: Logger }): Promise<SdsServer> {
  const { manager, logger } = options;
  const server = new Server({ 'grpc.max_receive_message_length': 1 << 20 });
  const unsubscribers = new Set<() => void>();

  const stream: handleBidiStreamingCall<DiscoveryRequest, DiscoveryResponse> = (call) => {
    let names: readonly string[] = [];
    let sent = '';
    let nonce = 0;
    const push = serialised(async () => {
      const found = await loadSecrets(names, manager, logger);
      const version = versionOf(found);
      if (found.length === 0 || version === sent) return;
      sent = version;
      call.write(
        create(DiscoveryResponseSchema, {
          versionInfo: version,
          typeUrl: SECRET_TYPE_URL,
          nonce: `${++nonce}`,
          resources: found.map((secret) => secret.any),
        }),
      );
    });
    follow(call, manager, unsubscribers, push);
    call.on('data', (request: DiscoveryRequest) => {
      if (!accepted(call, request.typeUrl, request.resourceNames.length)) return;
      if (request.errorDetail !== undefined) logger.warn({ nonce: request.responseNonce }, `SDS NACK: ${request.errorDetail.message}`);
      // A new name set asks for its resources again, even unchanged ones.
      if (names.join('\n') !== request.resourceNames.join('\n')) sent = '';
      names = request.resourceNames;
      void push();
    });
  };

  const delta: handleBidiStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = (call) => {
    const names = new Set<string>();
    const sent = new Map<string, string>();
    let nonce = 0;
    const push = serialised(async () => {
      const fresh = (await loadSecrets([...names], manager, logger)).filter((secret) => sent.get(secret.name) !== secret.version);
      if (fresh.length === 0) return;
      for (const secret of fresh) sent.set(secret.name, secret.version);
      call.write(
        create(DeltaDiscoveryResponseSchema, {
          systemVersionInfo: versionOf(fresh),
          typeUrl: SECRET_TYPE_URL,
          nonce: `${++nonce}`,
          resources: fresh.map((secret) => ({ name: secret.name, version: secret.version, resource: secret.any })),
        }),
      );
    });
    follow(call, manager, unsubscribers, push);
    call.on('data', (request: DeltaDiscoveryRequest) => {
      if (!accepted(call, request.typeUrl, names.size + request.resourceNamesSubscribe.length)) return;
      if (request.errorDetail !== undefined) logger.warn({ nonce: request.responseNonce }, `SDS NACK: ${request.errorDetail.message}`);
      for (const [name, version] of Object.entries(request.initialResourceVersions)) sent.set(name, version);
      for (const name of request.resourceNamesUnsubscribe) {
        names.delete(name);
        sent.delete(name);
      }
      for (const name of request.resourceNamesSubscribe) names.add(name);
      void push();
    });
  };

  server.addService(serviceDefinition(SecretDiscoveryService), {
    StreamSecrets: stream,
    DeltaSecrets: delta,
    FetchSecrets: (_call: unknown, reply: (error: object) => void) => reply({ code: status.UNIMPLEMENTED, details: 'use StreamSecrets' }),
  });
  await listenOnSocket(server, options.socketPath);
  return {
    close() {
      for (const unsubscribe of unsubscribers) unsubscribe();
      server.forceShutdown();
      rmSync(options.socketPath, { force: true });
    },
  };
}

/** Binds a gRPC server to a Unix socket that only its user may open; a socket file left by a killed process is replaced. */
export async function listenOnSocket(server: Server, socketPath: string): Promise<void> {
  mkdirSync(dirname(socketPath), { recursive: true });
  // Bound within a private directory and moved once its mode is set: at no moment may another user open it.
  const staging = mkdtempSync(join(dirname(socketPath), '.s-'));
  const staged = join(staging, 's');
  try {
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix:${staged}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
    );
    chmodSync(staged, 0o600);
    renameSync(staged, socketPath);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function accepted(call: ServerDuplexStream<unknown, unknown>, typeUrl: string, count: number): boolean {
  if ((typeUrl === '' || typeUrl === SECRET_TYPE_URL) && count <= MAX_NAMES) return true;
  const details = count > MAX_NAMES ? `more than ${MAX_NAMES} resource names` : `this server has only ${SECRET_TYPE_URL}`;
  call.emit('error', { code: status.INVALID_ARGUMENT, details });
  return false;
}

function follow(
  call: ServerDuplexStream<unknown, unknown>,
  manager: CertificateManager,
  unsubscribers: Set<() => void>,
  push: () => Promise<void>,
): void {
  const unsubscribe = manager.subscribe(() => void push());
  unsubscribers.add(unsubscribe);
  const stop = () => {
    unsubscribe();
    unsubscribers.delete(unsubscribe);
  };
  call.on('end', () => {
    stop();
    call.end();
  });
  call.on('cancelled', stop);
  call.on('error', stop);
}

/** Runs `work` after the run before it has ended, so that pushes keep their order. */
function serialised(work: () => Promise<void>): () => Promise<void> {
  let last = Promise.resolve();
  return () => {
    last = last.then(work);
    return last;
  };
}

interface LoadedSecret {
  readonly name: string;
  readonly version: string;
  readonly any: MessageInitShape<typeof AnySchema>;
}

async function loadSecrets(names: readonly string[], manager: CertificateManager, logger: Logger): Promise<LoadedSecret[]> {
  const loaded: LoadedSecret[] = [];
  for (const name of names) {
    const secret = await loadSecret(name, manager).catch((error: unknown) => {
      logger.warn({ resource: name.slice(0, 200) }, `SDS resource cannot be read: ${errorText(error)}`);
      return undefined;
    });
    if (secret === undefined) continue;
    const value = toBinary(SecretSchema, create(SecretSchema, secret));
    const version = createHash('sha256').update(value).digest('hex').slice(0, 16);
    loaded.push({ name, version, any: { typeUrl: SECRET_TYPE_URL, value } });
  }
  return loaded;
}

function versionOf(secrets: readonly LoadedSecret[]): string {
  return secrets.map((secret) => secret.version).join('-');
}

async function loadSecret(name: string, manager: CertificateManager): Promise<SecretInit | undefined> {
  const bytes = (text: string) => ({ specifier: { case: 'inlineBytes' as const, value: Buffer.from(text) } });
  const fileBytes = async (file: string) => ({ specifier: { case: 'inlineBytes' as const, value: await readFile(file) } });
  if (name.startsWith('file-root:')) {
    const trustedCa = await fileBytes(name.slice('file-root:'.length));
    return { name, type: { case: 'validationContext', value: { trustedCa } } };
  }
  if (name.startsWith('file-cert:')) {
    const [chain = '', key = ''] = name.slice('file-cert:'.length).split('~');
    const value = { certificateChain: await fileBytes(chain), privateKey: await fileBytes(key) };
    return { name, type: { case: 'tlsCertificate', value } };
  }
  const certificate = manager.current();
  if (certificate === undefined) return undefined;
  if (name === 'ROOTCA') return { name, type: { case: 'validationContext', value: { trustedCa: bytes(certificate.rootPem) } } };
  if (name !== 'default') return undefined;
  const value = { certificateChain: bytes(certificate.certificateChainPem), privateKey: bytes(certificate.privateKeyPem) };
  return { name, type: { case: 'tlsCertificate', value } };
}
