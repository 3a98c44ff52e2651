import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
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
/** A session that could not be opened is not tried again sooner. */
const RETRY_MS = 1_000;

/** The session of a handler with an adapter that hears its configuration once. */
export class AdapterSession {
  readonly #channel: AdapterChannel;
  readonly #config: Uint8Array<ArrayBuffer>;
  readonly #clock: AdapterEnvironment['clock'];
  #session: Promise<string> | undefined;
  #failed: { readonly error: unknown; readonly atMs: number } | undefined;

  /** `config`: encoded Any of the handler's params. */
  constructor(channel: AdapterChannel, config: Uint8Array<ArrayBuffer>, clock: AdapterEnvironment['clock']) {
    this.#channel = channel;
    this.#config = config;
    this.#clock = clock;
  }
  /** Opens the session if there is none; the encoded Any for `adapter_config` of calls. */
  async config(): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#failed !== undefined && this.#clock.monotonic() - this.#failed.atMs < RETRY_MS) throw this.#failed.error;
    this.#session ??= this.#create();
    try {
      const id = await this.#session;
      this.#failed = undefined;
      return encodeAny(SESSION_TYPE, new TextEncoder().encode(id));
    } catch (error) {
      this.#session = undefined;
      this.#failed = { error, atMs: this.#clock.monotonic() };
      throw error;
    }
  }
  /** After a call that failed: an adapter that was started anew knows nothing of the session. */
  forget(): void {
    this.#session = undefined;
  }
  async close(): Promise<void> {
    const id = await this.#session?.catch(() => undefined);
    if (id === undefined) return;
    const request = toBinary(CloseSessionRequestSchema, create(CloseSessionRequestSchema, { sessionId: id }));
    await this.#channel.call(`${SERVICE}/CloseSession`, request).catch(() => undefined);
  }

  async #create(): Promise<string> {
    const adapterConfig = fromBinary(AnySchema, this.#config);
    const validate = toBinary(ValidateRequestSchema, create(ValidateRequestSchema, { adapterConfig }));
    const verdict = fromBinary(ValidateResponseSchema, await this.#channel.call(`${SERVICE}/Validate`, validate));
    if ((verdict.status?.code ?? 0) !== 0)
      throw new CallFailure(status.FAILED_PRECONDITION, `the adapter refuses the handler's params: ${verdict.status?.message ?? ''}`);
    const request = toBinary(CreateSessionRequestSchema, create(CreateSessionRequestSchema, { adapterConfig }));
    const created = fromBinary(CreateSessionResponseSchema, await this.#channel.call(`${SERVICE}/CreateSession`, request));
    if ((created.status?.code ?? 0) !== 0)
      throw new CallFailure(status.FAILED_PRECONDITION, `the adapter opens no session: ${created.status?.message ?? ''}`);
    return created.sessionId;
  }
}
