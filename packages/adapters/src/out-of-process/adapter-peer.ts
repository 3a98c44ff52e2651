import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceError,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { type Clock, systemClock } from '@xebec/core';
import { ExtensionReader, type Handler, type InstanceValue } from '@xebec/policy';
import { CheckResultSchema } from '@xebec/protos/istio/mixer/adapter/model/v1beta1/check';
import {
  CloseSessionRequestSchema,
  CreateSessionRequestSchema,
  CreateSessionResponseSchema,
  ValidateRequestSchema,
  ValidateResponseSchema,
} from '@xebec/protos/istio/mixer/adapter/model/v1beta1/infrastructure_backend';
import { type ConnectionSpec, decodeObject } from '@xebec/schemas';
import { testEnvironment } from '../test-environment.ts';
import { configureRemote } from './handler.ts';

/** Certificates and secrets in files, made by openssl. */
export class SecretFolder {
  readonly #directory = mkdtempSync(join(tmpdir(), 'xebec-adapter-'));

  path(name: string): string {
    return join(this.#directory, name);
  }
  read(name: string): Buffer {
    return readFileSync(this.path(name));
  }
  /** Replaces a file as a whole, as rotation does. */
  write(name: string, text: string | Buffer): string {
    writeFileSync(this.path(`${name}.new`), text);
    renameSync(this.path(`${name}.new`), this.path(name));
    return this.path(name);
  }
  authority(name: string): string {
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    this.#openssl('req', '-x509', ...KEY, '-days', '30', '-subj', `/O=${name}`, '-keyout', `${name}.key`, '-out', `${name}.pem`, ...usage);
    return this.path(`${name}.pem`);
  }
  /** `names`: such as `DNS:localhost`. A leaf of -1 days has ended before it began. */
  leaf(name: string, names: string, authority: string, days = 1): { readonly key: Buffer; readonly cert: Buffer } {
    this.#openssl(
      'req',
      '-new',
      ...KEY,
      '-subj',
      '/O=leaf',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-addext',
      `subjectAltName=${names}`,
    );
    const issuer = ['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`, '-copy_extensions', 'copy'];
    this.#openssl('x509', '-req', '-in', `${name}.csr`, ...issuer, '-days', String(days), '-out', `${name}.pem`);
    return { key: this.read(`${name}.key`), cert: this.read(`${name}.pem`) };
  }
  close(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: ['ignore', 'ignore', 'pipe'] });
  }
}
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/** What an adapter does with a call: bytes to answer, a failure, or a promise of either; it may leave for ever. */
export type Answer = (
  request: Buffer,
  metadata: Metadata,
) => Uint8Array | Partial<ServiceError> | Promise<Uint8Array | Partial<ServiceError>>;

export interface SessionCall {
  readonly method: 'validate' | 'create' | 'close';
  /** Bytes of the params, or the session's id. */
  readonly what: string;
  readonly inferred: readonly string[];
}

const asBytes = (bytes: Buffer): Buffer => bytes;
const PASSES = toBinary(CheckResultSchema, create(CheckResultSchema, { validUseCount: 9 }));
export const passes: Answer = () => PASSES;

/** An adapter for specs: it takes list entries and quotas, and has sessions. */
export async function startAdapterPeer(credentials = ServerCredentials.createInsecure(), port = 0) {
  const server = new Server();
  const peer = {
    answer: passes,
    calls: 0,
    sessions: [] as SessionCall[],
    refuse: { validate: 0, create: 0 },
    sessionIds: new Set<string>(),
    /** Instead of a verdict about params. */
    answerSession: undefined as Answer | undefined,
  };
  const unary = (path: string, handle: Answer) =>
    server.register<Buffer, Buffer>(
      path,
      (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
        Promise.resolve(handle(call.request, call.metadata)).then(
          (answer) => (answer instanceof Uint8Array ? callback(null, Buffer.from(answer)) : callback(answer)),
          (error: unknown) => callback({ code: status.INTERNAL, details: String(error) }),
        );
      },
      asBytes,
      asBytes,
      'unary',
    );
  const counted: Answer = (request, metadata) => {
    peer.calls++;
    return peer.answer(request, metadata);
  };
  unary('/listentry.HandleListEntryService/HandleListEntry', counted);
  unary('/quota.HandleQuotaService/HandleQuota', counted);
  const sessions = '/istio.mixer.adapter.model.v1beta1.InfrastructureBackend';
  const types = (all: Readonly<Record<string, { readonly typeUrl: string; readonly value: Uint8Array }>>): string[] =>
    Object.entries(all).map(([name, { typeUrl, value }]) => `${name} ${typeUrl} ${Buffer.from(value).toString('hex')}`);
  unary(`${sessions}/Validate`, (bytes, metadata) => {
    if (peer.answerSession !== undefined) return peer.answerSession(bytes, metadata);
    const { adapterConfig, inferredTypes } = fromBinary(ValidateRequestSchema, bytes);
    peer.sessions.push({
      method: 'validate',
      what: Buffer.from(adapterConfig?.value ?? '').toString('hex'),
      inferred: types(inferredTypes),
    });
    const message = { status: { code: peer.refuse.validate, message: 'not like this' } };
    return toBinary(ValidateResponseSchema, create(ValidateResponseSchema, message));
  });
  unary(`${sessions}/CreateSession`, (bytes) => {
    const { adapterConfig, inferredTypes } = fromBinary(CreateSessionRequestSchema, bytes);
    peer.sessions.push({ method: 'create', what: Buffer.from(adapterConfig?.value ?? '').toString('hex'), inferred: types(inferredTypes) });
    const sessionId = `s${peer.sessions.length}`;
    peer.sessionIds.add(sessionId);
    const message = { sessionId, status: { code: peer.refuse.create, message: 'no room' } };
    return toBinary(CreateSessionResponseSchema, create(CreateSessionResponseSchema, message));
  });
  unary(`${sessions}/CloseSession`, (bytes) => {
    const { sessionId } = fromBinary(CloseSessionRequestSchema, bytes);
    peer.sessions.push({ method: 'close', what: sessionId, inferred: [] });
    peer.sessionIds.delete(sessionId);
    return new Uint8Array();
  });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  const bound = await promise;
  return Object.assign(peer, { port: bound, server, close: () => server.forceShutdown() });
}

function object(kind: string, spec: unknown) {
  const decoded = decodeObject({ apiVersion: 'config.istio.io/v1alpha2', kind, metadata: { name: 'peer', namespace: 'ns' }, spec });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
  return decoded.value;
}

export const entry: InstanceValue = { name: 'one.ns', template: 'listentry', fields: { value: { type: 'STRING', value: 'a' } } };

/** A handler of an adapter at `connection`; `skip` makes its clock go forward. */
export function remoteHandler(connection: ConnectionSpec, spec: object = {}) {
  const adapter = new ExtensionReader().adapter(object('adapter', { templates: ['listentry', 'quota'], ...spec }), new Map());
  if (!adapter.ok) throw new Error(JSON.stringify(adapter.error));
  let aheadMs = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => systemClock.now() + aheadMs,
    monotonic: () => systemClock.monotonic() + aheadMs,
  };
  const { environment, counts } = testEnvironment({ clock });
  const configured = configureRemote({ adapter: 'peer', connection }, adapter.value, environment);
  if (!configured.ok) throw new Error(JSON.stringify(configured.error));
  const handler = configured.value as Required<Handler>; // handlers of remote adapters have all methods
  const skip = (ms: number): void => {
    aheadMs += ms;
  };
  return { handler, counts, skip };
}

/** Asks until the answer is as wanted. */
export async function eventually(what: string, attempt: () => Promise<boolean>): Promise<void> {
  const endMs = performance.now() + 8_000;
  while (!(await attempt())) {
    if (performance.now() > endMs) throw new Error(`${what} did not come about`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
