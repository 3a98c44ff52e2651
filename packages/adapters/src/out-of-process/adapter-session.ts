import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import { readMessage } from '@xebec/policy';
import {
  CloseSessionRequestSchema,
  CreateSessionRequestSchema,
  CreateSessionResponseSchema,
  ValidateRequestSchema,
  ValidateResponseSchema,
} from '@xebec/protos/istio/mixer/adapter/model/v1beta1/infrastructure_backend';
import type { AdapterEnvironment } from '../adapter.ts';
import type { AdapterChannel } from './adapter-channel.ts';
import { CallFailure } from './call-failure.ts';
import { encodeAny } from './messages.ts';

const SERVICE = '/istio.mixer.adapter.model.v1beta1.InfrastructureBackend';
/** As release 1.4's InfrastructureBackend says: the Any of a call has this for its type, and the session's id for its value. */
const SESSION_TYPE = 'google.protobuf.Any.type_url';
/** Neither a session that could not be opened nor one that was lost soon is opened again sooner. */
const RETRY_MS = 1_000;

interface Open {
  readonly id: Promise<string>;
  readonly atMs: number;
  /** Of the channel, when it was opened: an adapter that was started anew knows nothing of it. */
  readonly losses: number;
}

/**
 * The session of a handler with an adapter that hears its configuration once: the handler's params and the types of the instances that
 * rules send it. It is opened (Validate, then CreateSession) as soon as there are such instances, and again when they change.
 */
export class AdapterSession {
  readonly #channel: AdapterChannel;
  readonly #config: Uint8Array<ArrayBuffer>;
  readonly #environment: Pick<AdapterEnvironment, 'clock' | 'logger'>;
  #inferred: Readonly<Record<string, Any>> = {};
  #open: Open | undefined;
  #failed: { readonly error: unknown; readonly atMs: number } | undefined;
  #closed = false;

  /** `config`: encoded Any of the handler's params. */
  constructor(channel: AdapterChannel, config: Uint8Array<ArrayBuffer>, environment: Pick<AdapterEnvironment, 'clock' | 'logger'>) {
    this.#channel = channel;
    this.#config = config;
    this.#environment = environment;
  }
  /** `inferred`: by the instances' names. With none the session ends. */
  route(inferred: Readonly<Record<string, Any>>): void {
    if (this.#closed || isSame(inferred, this.#inferred)) return;
    this.#inferred = inferred;
    this.#failed = undefined;
    const previous = this.#open;
    this.#open = undefined;
    const next = Object.keys(inferred).length === 0 ? Promise.resolve() : this.id();
    void next
      .catch((error: unknown) => this.#environment.logger.warn({}, `no session with ${this.#channel.address}: ${errorText(error)}`))
      .then(() => this.#end(previous));
  }
  /** Opens the session if there is none; rejects with a `CallFailure`. */
  async id(): Promise<string> {
    if (this.#closed) throw new CallFailure(status.CANCELLED, 'closed');
    const nowMs = this.#environment.clock.monotonic();
    if (this.#open !== undefined && this.#open.losses !== this.#channel.losses) this.#open = undefined;
    if (this.#open === undefined) {
      if (this.#failed !== undefined && nowMs - this.#failed.atMs < RETRY_MS) throw this.#failed.error;
      this.#failed = undefined;
      this.#open = { id: this.#create(), atMs: nowMs, losses: this.#channel.losses };
    }
    const open = this.#open;
    try {
      return await open.id;
    } catch (error) {
      if (this.#open === open) {
        this.#open = undefined;
        this.#failed = { error, atMs: this.#environment.clock.monotonic() };
      }
      throw error;
    }
  }
  /** After an adapter did not take the session of this id: whether there may be another by now. */
  async forget(id: string): Promise<boolean> {
    const open = this.#open;
    if (open === undefined || (await open.id.catch(() => undefined)) !== id) return true;
    if (this.#environment.clock.monotonic() - open.atMs < RETRY_MS) return false;
    if (this.#open !== open) return true;
    this.#open = undefined;
    void this.#end(open);
    return true;
  }
  async close(): Promise<void> {
    this.#closed = true;
    const open = this.#open;
    this.#open = undefined;
    await this.#end(open);
  }

  async #end(open: Open | undefined): Promise<void> {
    const sessionId = await open?.id.catch(() => undefined);
    if (sessionId === undefined) return;
    const request = toBinary(CloseSessionRequestSchema, create(CloseSessionRequestSchema, { sessionId }));
    await this.#channel.call(`${SERVICE}/CloseSession`, request).catch(() => undefined);
  }
  async #create(): Promise<string> {
    const announced = { adapterConfig: fromBinary(AnySchema, this.#config), inferredTypes: this.#inferred };
    const validate = toBinary(ValidateRequestSchema, create(ValidateRequestSchema, announced));
    const verdict = this.#read(ValidateResponseSchema, await this.#channel.call(`${SERVICE}/Validate`, validate));
    if ((verdict.status?.code ?? 0) !== 0)
      throw new CallFailure(status.FAILED_PRECONDITION, `the adapter refuses the handler's params: ${verdict.status?.message ?? ''}`);
    const request = toBinary(CreateSessionRequestSchema, create(CreateSessionRequestSchema, announced));
    const created = this.#read(CreateSessionResponseSchema, await this.#channel.call(`${SERVICE}/CreateSession`, request));
    if ((created.status?.code ?? 0) !== 0)
      throw new CallFailure(status.FAILED_PRECONDITION, `the adapter opens no session: ${created.status?.message ?? ''}`);
    return created.sessionId;
  }
  #read<Desc extends Parameters<typeof readMessage>[0]>(message: Desc, bytes: Uint8Array): ReturnType<typeof readMessage<Desc>> {
    try {
      return readMessage(message, bytes);
    } catch (error) {
      throw new CallFailure(status.INTERNAL, `${this.#channel.address} answered with what is no ${message.typeName}: ${errorText(error)}`);
    }
  }
}

export function sessionConfig(id: string): Uint8Array<ArrayBuffer> {
  return encodeAny(SESSION_TYPE, new TextEncoder().encode(id));
}

function isSame(a: Readonly<Record<string, Any>>, b: Readonly<Record<string, Any>>): boolean {
  const names = Object.keys(a);
  return (
    names.length === Object.keys(b).length &&
    names.every((name) => a[name]?.typeUrl === b[name]?.typeUrl && Buffer.from(a[name]?.value ?? '').equals(b[name]?.value ?? Buffer.of()))
  );
}
