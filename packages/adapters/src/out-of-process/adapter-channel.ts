import { Client, connectivityState, type ServiceError, status } from '@grpc/grpc-js';
import { type ConnectionSpec, durationMs } from '@xebec/schemas';
import type { AdapterEnvironment } from '../adapter.ts';
import { CallFailure } from './call-failure.ts';
import { type ChannelIdentity, channelIdentity } from './channel-identity.ts';

/** Of one call, unless the connection says otherwise; whoever waits has a request waiting. */
const DEFAULT_TIMEOUT_MS = 1_000;
const MAX_TIMEOUT_MS = 60_000;
const MAX_ANSWER_BYTES = 1 << 20;
/** Calls that wait at the same time; one more fails at once. */
const MAX_CALLS = 1_000;
/** Files of the identity are looked at again after a failure, at most so often. */
const RELOAD_MS = 1_000;
/** Adapters behind one name share the calls. */
const SERVICE_CONFIG = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });
const RECONNECT = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
};

/** The connection to one adapter: opened by the first call, kept, and opened again with growing pauses when it is lost. */
export class AdapterChannel {
  readonly #connection: ConnectionSpec;
  readonly #environment: Pick<AdapterEnvironment, 'clock'>;
  readonly timeoutMs: number;
  #client: Client | undefined;
  #identity: ChannelIdentity | undefined;
  #checkedMs = Number.NEGATIVE_INFINITY;
  /** Why there is no identity. */
  #unusable: unknown;
  #calls = 0;
  #answers = 0;
  /** Whoever answered last does not any more: until it does, one call at a time waits for it. */
  #silent = false;
  /** Nobody answered while the connection was being opened: until it is open, calls do not wait for it. */
  #away = false;
  #closed = false;
  #losses = 0;
  #idle = Promise.withResolvers<void>();

  constructor(connection: ConnectionSpec, environment: Pick<AdapterEnvironment, 'clock'>) {
    this.#connection = connection;
    this.#environment = environment;
    const wanted = connection.timeout === undefined ? 0 : (durationMs(connection.timeout) ?? 0);
    this.timeoutMs = wanted > 0 ? Math.min(wanted, MAX_TIMEOUT_MS) : DEFAULT_TIMEOUT_MS;
  }
  get address(): string {
    return this.#connection.address;
  }
  /** How often the adapter was found to be away. */
  get losses(): number {
    return this.#losses;
  }
  /** Calls a unary method with an encoded request; rejects with a `CallFailure`. */
  async call(path: string, request: Uint8Array<ArrayBuffer>): Promise<Buffer> {
    if (this.#closed) throw new CallFailure(status.CANCELLED, 'closed');
    if (this.#calls >= MAX_CALLS) throw new CallFailure(status.UNAVAILABLE, `${MAX_CALLS} calls wait for ${this.address}`);
    const client = this.#open();
    if (this.#away && client.getChannel().getConnectivityState(true) !== connectivityState.READY)
      throw new CallFailure(status.UNAVAILABLE, `nobody answers at ${this.address}`);
    if (this.#silent && this.#calls > 0)
      throw new CallFailure(status.UNAVAILABLE, `${this.address} does not answer within ${this.timeoutMs} ms`);
    this.#calls++;
    try {
      const answer = await this.#invoke(client, path, Buffer.from(request.buffer, request.byteOffset, request.byteLength));
      this.#away = false;
      this.#heard();
      return answer;
    } finally {
      if (--this.#calls === 0) this.#idle.resolve();
    }
  }
  /** Resolves when no call is under way. */
  async drained(): Promise<void> {
    if (this.#calls === 0) return;
    this.#idle = Promise.withResolvers();
    await this.#idle.promise;
  }
  close(): void {
    this.#closed = true;
    this.#client?.close();
    this.#client = undefined;
  }

  #heard(): void {
    this.#answers++;
    this.#silent = false;
  }
  #open(): Client {
    if (this.#client !== undefined) return this.#client;
    const { credentials, options } = this.#know();
    this.#client = new Client(this.#connection.address, credentials, {
      ...RECONNECT,
      'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.service_config': SERVICE_CONFIG,
      'grpc.service_config_disable_resolution': 1,
      ...options,
    });
    return this.#client;
  }
  #know(): ChannelIdentity {
    if (this.#identity !== undefined) return this.#identity;
    const nowMs = this.#environment.clock.monotonic();
    if (this.#unusable !== undefined && nowMs - this.#checkedMs < RELOAD_MS) throw this.#unusable;
    this.#checkedMs = nowMs;
    try {
      this.#unusable = undefined;
      this.#identity = channelIdentity(this.#connection, this.#environment);
      return this.#identity;
    } catch (error) {
      this.#unusable = error;
      throw error;
    }
  }
  #invoke(client: Client, path: string, request: Buffer): Promise<Buffer> {
    const { clock } = this.#environment;
    const answersBefore = this.#answers;
    return new Promise((resolve, reject) => {
      const done = (error: ServiceError | null, answer?: Buffer) => {
        if (error === null && answer !== undefined) resolve(answer);
        else reject(this.#failure(client, error, answersBefore));
      };
      client.makeUnaryRequest<Buffer, Buffer>(path, asBytes, asBytes, request, { deadline: clock.now() + this.timeoutMs }, done);
    });
  }
  #failure(client: Client, error: ServiceError | null, answersBefore: number): CallFailure {
    const code = error?.code ?? status.INTERNAL;
    const text = `${this.address}: ${status[code]}: ${reason(error?.details ?? 'no answer')}`;
    if (code === status.DEADLINE_EXCEEDED) {
      if (this.#identity?.token?.isAwaited === true) return new CallFailure(status.UNAVAILABLE, `${text}; its token is still awaited`);
      if (this.#answers === answersBefore) this.#silent = true;
      this.#away = this.#client === client && client.getChannel().getConnectivityState(false) !== connectivityState.READY;
      if (this.#away) this.#reload();
      return new CallFailure(status.UNAVAILABLE, text);
    }
    if (code !== status.UNAVAILABLE) this.#heard();
    else {
      this.#losses++;
      this.#reload();
    }
    if (code === status.UNAUTHENTICATED) this.#identity?.token?.forget();
    return new CallFailure(code, text);
  }
  /** Certificates are rotated by replacing their files: a connection that could not be opened may need the new ones. */
  #reload(): void {
    const nowMs = this.#environment.clock.monotonic();
    if (this.#connection.authentication === undefined || nowMs - this.#checkedMs < RELOAD_MS) return;
    this.#checkedMs = nowMs;
    try {
      const identity = channelIdentity(this.#connection, this.#environment);
      if (identity.fingerprint === this.#identity?.fingerprint) return;
      this.#identity = identity;
      this.#client?.close();
      this.#client = undefined;
    } catch {
      // The files are being replaced: what is known is used until the next failure.
    }
  }
}

/** Why there is no connection, without the words of those through whose hands it went. */
function reason(details: string): string {
  return details.replace(/^(?:round_robin: )?(?:No connection established\. Last error: )+/, '').replace(/\.? Resolution note: $/, '');
}

const asBytes = (bytes: Buffer): Buffer => bytes;
