import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { type handleBidiStreamingCall, Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type Clock, type Logger, systemClock } from '@xebec/core';
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
import { createAcceptanceLedger, type StreamAcceptance } from './secrets/acceptance.ts';
import { createFileSecrets, type FileSecrets } from './secrets/file-secrets.ts';
import { createSecretSource, type LoadedSecret, SECRET_TYPE_URL, type SecretSource, trustVersion } from './secrets/secret-source.ts';
import type { TrustConsumer } from './trust-consumers.ts';

const MAX_NAMES = 256;

export interface SdsServer {
  /** What the data plane has accepted of `default` and `ROOTCA`. */
  readonly consumer: TrustConsumer;
  close(): void;
}

export interface SdsServerOptions {
  readonly socketPath: string;
  /** Undefined: another server has the workload's identity, this one serves files alone. */
  readonly manager: CertificateManager | undefined;
  /** Shared with others who look at the state; own ones by default. */
  readonly files?: FileSecrets;
  readonly clock?: Clock;
  readonly logger: Logger;
}

/**
 * Serves Envoy's SecretDiscoveryService on a Unix socket of mode 0600: `default` (key and chain), `ROOTCA` (trusted roots, revocation
 * lists), `file-cert:CHAIN~KEY`, `file-root:FILE` and `file-root:system`. Resources that are not there yet are sent as soon as they are,
 * and each rotation is pushed.
 */
export async function createSdsServer(options: SdsServerOptions): Promise<SdsServer> {
  const { manager, logger } = options;
  const clock = options.clock ?? systemClock;
  const server = new Server({ 'grpc.max_receive_message_length': 1 << 20 });
  const files = options.files ?? createFileSecrets({ clock, logger });
  const source = createSecretSource({ manager, files, logger });
  const ledger = createAcceptanceLedger(clock, () => manager?.trust.current(), trustVersion);
  const pushes = new Set<() => Promise<void>>();
  const askers = new Map<string, number>();
  const unsubscribe = source.subscribe(() => {
    for (const push of pushes) void push();
  });
  const asked: NameCount = {
    add: (name) => void askers.set(name, (askers.get(name) ?? 0) + 1),
    remove(name) {
      const left = (askers.get(name) ?? 0) - 1;
      if (left > 0) askers.set(name, left);
      else if (askers.delete(name)) source.forget(name);
    },
  };

  const stream: handleBidiStreamingCall<DiscoveryRequest, DiscoveryResponse> = (call) => {
    const acceptance = ledger.open();
    let names: readonly string[] = [];
    let sent = '';
    let nonce = 0;
    const push = serialised(async () => {
      const found = await loadAll(source, names);
      const version = versionOf(found);
      if (found.length === 0 || version === sent || call.destroyed) return;
      sent = version;
      acceptance.sent(`${++nonce}`, found);
      call.write(
        create(DiscoveryResponseSchema, {
          versionInfo: version,
          typeUrl: SECRET_TYPE_URL,
          nonce: `${nonce}`,
          resources: found.map((secret) => secret.any),
        }),
      );
    });
    follow(call, pushes, push, () => {
      acceptance.end();
      for (const name of names) asked.remove(name);
      names = [];
    });
    call.on('data', (request: DiscoveryRequest) => {
      if (!accepted(call, request.typeUrl, request.resourceNames.length)) return;
      answered(acceptance, request.responseNonce, request.errorDetail, logger);
      const next = [...new Set(request.resourceNames)];
      // A new name set asks for its resources again, even unchanged ones.
      if (names.join('\n') !== next.join('\n')) {
        sent = '';
        for (const name of next) asked.add(name);
        for (const name of names) asked.remove(name);
        names = next;
      }
      acceptance.wants(names);
      void push();
    });
  };

  const delta: handleBidiStreamingCall<DeltaDiscoveryRequest, DeltaDiscoveryResponse> = (call) => {
    const acceptance = ledger.open();
    const names = new Set<string>();
    const sent = new Map<string, string>();
    let nonce = 0;
    const push = serialised(async () => {
      const fresh = (await loadAll(source, [...names])).filter((secret) => sent.get(secret.name) !== secret.version);
      if (fresh.length === 0 || call.destroyed) return;
      for (const secret of fresh) sent.set(secret.name, secret.version);
      acceptance.sent(`${++nonce}`, fresh);
      call.write(
        create(DeltaDiscoveryResponseSchema, {
          systemVersionInfo: versionOf(fresh),
          typeUrl: SECRET_TYPE_URL,
          nonce: `${nonce}`,
          resources: fresh.map((secret) => ({ name: secret.name, version: secret.version, resource: secret.any })),
        }),
      );
    });
    follow(call, pushes, push, () => {
      acceptance.end();
      for (const name of names) asked.remove(name);
      names.clear();
    });
    call.on('data', (request: DeltaDiscoveryRequest) => {
      if (!accepted(call, request.typeUrl, names.size + request.resourceNamesSubscribe.length)) return;
      answered(acceptance, request.responseNonce, request.errorDetail, logger);
      for (const name of request.resourceNamesUnsubscribe) {
        if (names.delete(name)) asked.remove(name);
        sent.delete(name);
      }
      for (const name of request.resourceNamesSubscribe) {
        if (!names.has(name)) asked.add(name);
        names.add(name);
        // Asked for again is sent again.
        sent.delete(name);
      }
      // What a client brings along from an earlier stream is not sent again; it is not known to be in use, so it is not counted either.
      for (const [name, version] of Object.entries(request.initialResourceVersions)) {
        if (names.has(name) && name !== 'default' && name !== 'ROOTCA') sent.set(name, version);
      }
      acceptance.wants([...names]);
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
    consumer: ledger,
    close() {
      unsubscribe();
      pushes.clear();
      if (options.files === undefined) files.close();
      server.forceShutdown();
      rmSync(options.socketPath, { force: true });
    },
  };
}

/** Counts who asks for a name, so that files nobody asks for are not watched. */
interface NameCount {
  add(name: string): void;
  remove(name: string): void;
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
    rmdirSync(staging);
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    throw error;
  }
}

function accepted(call: ServerDuplexStream<unknown, unknown>, typeUrl: string, count: number): boolean {
  if ((typeUrl === '' || typeUrl === SECRET_TYPE_URL) && count <= MAX_NAMES) return true;
  const details = count > MAX_NAMES ? `more than ${MAX_NAMES} resource names` : `this server has only ${SECRET_TYPE_URL}`;
  call.emit('error', { code: status.INVALID_ARGUMENT, details });
  return false;
}

/** Takes note of an ACK or NACK. */
function answered(acceptance: StreamAcceptance, nonce: string, error: { readonly message: string } | undefined, logger: Logger): void {
  if (nonce === '') return;
  if (error === undefined) {
    acceptance.accepted(nonce);
    return;
  }
  logger.warn({ nonce }, `SDS NACK: ${error.message}`);
  acceptance.refused(nonce, error.message);
}

function follow(
  call: ServerDuplexStream<unknown, unknown>,
  pushes: Set<() => Promise<void>>,
  push: () => Promise<void>,
  over: () => void,
): void {
  pushes.add(push);
  const stop = () => {
    if (pushes.delete(push)) over();
  };
  call.on('end', () => {
    stop();
    call.end();
  });
  call.on('cancelled', stop);
  call.on('error', stop);
}

/** Runs `work` after the run before it has ended, so that pushes keep their order; runs that all wait are one. */
function serialised(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  return () => {
    waiting ??= running.then(() => {
      waiting = undefined;
      running = work();
      return running;
    });
    return waiting;
  };
}

async function loadAll(source: SecretSource, names: readonly string[]): Promise<LoadedSecret[]> {
  const loaded = await Promise.all(names.map((name) => source.load(name)));
  return loaded.filter((secret) => secret !== undefined);
}

function versionOf(secrets: readonly LoadedSecret[]): string {
  return secrets.map((secret) => secret.version).join('-');
}
