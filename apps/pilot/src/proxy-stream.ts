import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { errorText, XebecError } from '@xebec/core';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { ScatteredMessage } from '@xebec/rpc';
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  type EncodedResponse,
  encodeDeltaResponse,
  encodeSotwResponse,
  HEALTH_TYPE,
  LISTENER_TYPE,
  type ResourceMap,
  type ResourceStatus,
  ROUTE_TYPE,
  shortTypeName,
  type TypeStatus,
} from '@xebec/xds';
import type { Caller } from './authenticate.ts';
import { Connection, type ConnectionContext } from './connection.ts';
import { Outbox } from './outbox.ts';
import type { PushTarget } from './push-queue.ts';
import type { Registration } from './registration/registrar.ts';
import type { WorkloadHealth } from './registration/workload-health.ts';
import type { PilotSettings } from './settings.ts';
import { AuxiliaryStream } from './types/auxiliary-stream.ts';
import type { Asker, AuxiliaryTypes, Questions, Refusal } from './types/auxiliary-type.ts';
import { isDeltaRequest, requestedNames, type XdsRequest } from './xds-request.ts';

const ORDERED_TYPES = new Set([CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE]);

export interface ProxyStreamContext extends ConnectionContext {
  readonly types: AuxiliaryTypes;
  readonly questions: Questions;
  readonly settings: PilotSettings;
  /** Lets a workload outside the cluster take hold of its entry; rejects with one line when it may not. */
  readonly register: (stream: object, proxy: MeshProxy, caller: Caller | undefined) => Promise<Registration | undefined>;
  readonly unregister: (stream: object, registration: Registration) => void;
  readonly onHealth: (registration: Registration, health: WorkloadHealth) => void;
}

export interface StreamIdentity extends Asker {
  readonly id: string;
  readonly variant: 'sotw' | 'delta';
  readonly userAgent: string;
  /** The WorkloadEntry that the stream holds, where it holds one. */
  readonly registration: Registration | undefined;
  /** Address of the other end. */
  readonly peer: string;
}

export type TypeProgress = TypeStatus & { readonly sentAt: number | undefined };

/** A request that ends its stream, with the gRPC status it ends with. */
export class RefusedRequest extends XebecError {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super('E_XDS_REFUSED', refusal.message);
    this.refusal = refusal;
  }
}

/**
 * One ADS stream: hands each request to what serves its type. CDS, EDS, LDS and RDS belong together in a Connection, which is
 * made when the first of them is asked for, since a view of the mesh costs something and a stream may want only names.
 */
export class ProxyStream implements PushTarget {
  readonly identity: StreamIdentity;
  readonly connectedAt: number;
  readonly #context: ProxyStreamContext;
  readonly #call: ServerDuplexStream<XdsRequest, Uint8Array | ScatteredMessage>;
  readonly #outbox: Outbox<Uint8Array | ScatteredMessage>;
  readonly #auxiliarySentAt = new Map<string, number>();
  #snapshot: MeshSnapshot;
  #connection: Connection | undefined;
  #auxiliary: AuxiliaryStream | undefined;
  #questionNonces = 0;
  #closed = false;
  #sendTimer: (() => void) | undefined;
  #reached: MeshSnapshot | undefined;
  readonly #refusedAt = new Map<string, MeshSnapshot>();

  constructor(
    context: ProxyStreamContext,
    call: ServerDuplexStream<XdsRequest, Uint8Array | ScatteredMessage>,
    identity: StreamIdentity,
    snapshot: MeshSnapshot,
  ) {
    this.identity = identity;
    this.connectedAt = context.clock.now();
    this.#context = context;
    this.#call = call;
    this.#outbox = new Outbox<Uint8Array | ScatteredMessage>(call);
    this.#snapshot = snapshot;
  }
  get id(): string {
    return this.identity.id;
  }
  get proxy(): MeshProxy {
    return this.identity.proxy;
  }
  /** The part that serves CDS, EDS, LDS and RDS; undefined until one of them is asked for. */
  get connection(): Connection | undefined {
    return this.#connection;
  }
  /** Throws RefusedRequest when the stream must end. */
  onRequest(request: XdsRequest): void {
    this.#dispatch(request);
    if (request.errorDetail !== undefined && !this.#refusedAt.has(request.typeUrl)) this.#refusedAt.set(request.typeUrl, this.#snapshot);
    if (this.answered) this.#reached = this.#snapshot;
  }
  #dispatch(request: XdsRequest): void {
    const { typeUrl } = request;
    const { types, questions, onHealth } = this.#context;
    if (ORDERED_TYPES.has(typeUrl)) {
      this.#connection ??= new Connection(this.#context, this.#outbox, this.identity, this.#snapshot);
      this.#connection.onRequest(request);
      return;
    }
    if (typeUrl === HEALTH_TYPE) {
      const { registration } = this.identity;
      if (registration !== undefined)
        onHealth(registration, { healthy: request.errorDetail === undefined, message: request.errorDetail?.message ?? '' });
      return;
    }
    if (questions.handles(typeUrl)) {
      if (request.responseNonce === '') void this.#answer(request);
      return;
    }
    const type = types(typeUrl, this.identity);
    if (type === undefined) {
      this.#context.logger.debug({ proxy: this.proxy.id, typeUrl }, `nothing serves the type ${typeUrl}`);
      return;
    }
    const refusal = type.refusal?.(this.#snapshot, this.identity);
    if (refusal !== undefined) throw new RefusedRequest(refusal);
    this.#auxiliary ??= new AuxiliaryStream(this.identity, { variant: this.identity.variant, noncePrefix: `${this.id}/x` }, this.#snapshot);
    const { meaning, error, responses } = this.#auxiliary.onRequest(request, type);
    if (meaning === 'nack') this.#noteRefusal(typeUrl, error ?? '');
    this.#sendAuxiliary(responses);
  }
  /** Gives the proxy what a new snapshot changes for it; `services`: only their endpoints changed. Returns how much was sent. */
  push(snapshot: MeshSnapshot, services: ReadonlySet<string> | undefined): number {
    this.#snapshot = snapshot;
    let sent = this.#connection?.push(snapshot) ?? 0;
    if (services === undefined) sent += this.pushAuxiliary();
    this.#watchSending();
    if (sent === 0 && this.answered) this.#reached = snapshot;
    return sent;
  }
  /** Whether something it was sent has not left this machine yet. */
  get sending(): boolean {
    return this.#outbox.sending;
  }
  whenSent(callback: () => void): void {
    this.#outbox.whenSent(callback);
  }
  /** Looks again at what does not come from the snapshot alone, such as Secrets. */
  pushAuxiliary(): number {
    return this.#auxiliary === undefined ? 0 : this.#sendAuxiliary(this.#auxiliary.update(this.#snapshot));
  }
  status(): readonly TypeProgress[] {
    const auxiliary = this.#auxiliary?.status() ?? [];
    return [
      ...(this.#connection?.status() ?? []),
      ...auxiliary.map((status) => ({ ...status, sentAt: this.#auxiliarySentAt.get(status.typeUrl) })),
    ];
  }
  resourceStatus(typeUrl: string): readonly ResourceStatus[] {
    return ORDERED_TYPES.has(typeUrl)
      ? (this.#connection?.resourceStatus(typeUrl) ?? [])
      : (this.#auxiliary?.resourceStatus(typeUrl) ?? []);
  }
  /** What the proxy should have of a type. */
  resources(typeUrl: string): ResourceMap {
    const none: ResourceMap = new Map();
    return ORDERED_TYPES.has(typeUrl) ? (this.#connection?.view.resources(typeUrl) ?? none) : (this.#auxiliary?.resources(typeUrl) ?? none);
  }
  /** Whether the proxy has answered for everything it should have, with ACK or NACK. */
  get answered(): boolean {
    return (this.#connection?.answered ?? true) && (this.#auxiliary?.answered ?? true);
  }
  get snapshot(): MeshSnapshot {
    return this.#snapshot;
  }
  /** The last state of the mesh for all of which the proxy has answered. */
  get reached(): MeshSnapshot | undefined {
    return this.#reached;
  }
  /** What the proxy refuses to run, with the state of the mesh in which it first refused that type. */
  refusals(): readonly {
    readonly typeUrl: string;
    readonly resources: readonly string[];
    readonly message: string;
    readonly at: MeshSnapshot;
  }[] {
    return this.status().flatMap(({ typeUrl, rejected, lastError }) => {
      const at = this.#refusedAt.get(typeUrl);
      if (rejected.length === 0 || at === undefined) {
        this.#refusedAt.delete(typeUrl);
        return [];
      }
      const message = lastError ?? '';
      const refused = this.resourceStatus(typeUrl).flatMap(({ name, state }) => (state === 'rejected' ? [name] : []));
      // Envoy refuses a whole response and names what it is about.
      const named = refused.filter((name) => message.includes(name));
      return [{ typeUrl, resources: named.length > 0 ? named : refused, message, at }];
    });
  }
  /** A peer that takes nothing in any more must not make this server keep its responses for ever. */
  #watchSending(): void {
    const { settings, clock, logger } = this.#context;
    if (settings.sendTimeoutMs === 0 || this.#sendTimer !== undefined || !this.sending) return;
    const cancel = clock.setTimeout(() => {
      logger.warn({ proxy: this.proxy.id, timeoutMs: settings.sendTimeoutMs }, 'the proxy does not take what it is sent');
      this.#call.emit('error', { code: status.DEADLINE_EXCEEDED, details: `a response was not taken within ${settings.sendTimeoutMs} ms` });
    }, settings.sendTimeoutMs);
    this.#sendTimer = cancel;
    this.whenSent(() => {
      cancel();
      this.#sendTimer = undefined;
    });
  }
  /** Ends the stream from this side; a proxy comes back by itself. */
  disconnect(): void {
    this.#call.end();
  }
  close(): void {
    this.#closed = true;
    this.#sendTimer?.();
    this.#outbox.close();
    this.#connection?.close();
  }

  async #answer(request: XdsRequest): Promise<void> {
    const { typeUrl } = request;
    const { questions, logger } = this.#context;
    try {
      const answer = await questions.answer(typeUrl, requestedNames(request), this.identity, this.#snapshot);
      if (this.#closed) return;
      if ('code' in answer) {
        this.#call.emit('error', { code: answer.code, details: answer.message });
        return;
      }
      const nonce = `${this.id}/q${++this.#questionNonces}`;
      const { version } = this.#snapshot;
      const response = isDeltaRequest(request)
        ? encodeDeltaResponse(typeUrl, nonce, version, answer, [])
        : encodeSotwResponse(typeUrl, nonce, version, answer);
      this.#outbox.send(response);
    } catch (error) {
      logger.error({ proxy: this.proxy.id, typeUrl }, `answering failed: ${errorText(error)}`);
    }
  }
  #noteRefusal(typeUrl: string, error: string): void {
    const type = shortTypeName(typeUrl);
    this.#context.metrics.rejects.inc({ type: type.toLowerCase() });
    this.#context.logger.warn({ proxy: this.proxy.id, type, error }, `ADS:${type}: ACK ERROR ${this.proxy.id}: ${error}`);
  }
  #sendAuxiliary(responses: readonly EncodedResponse[]): number {
    const { clock, metrics } = this.#context;
    for (const response of responses) {
      this.#outbox.send(response);
      this.#auxiliarySentAt.set(response.typeUrl, clock.now());
      metrics.pushes.inc({ type: shortTypeName(response.typeUrl).toLowerCase() });
      metrics.configSize.observe(response.byteLength);
    }
    return responses.length;
  }
}
