import type { Clock, Logger } from '@xebec/core';
import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import type { ScatteredMessage } from '@xebec/rpc';
import {
  AdsStream,
  ENDPOINT_TYPE,
  type EncodedResponse,
  type RequestResult,
  type ResourceStatus,
  shortTypeName,
  type TypeStatus,
} from '@xebec/xds';
import type { PilotMetrics } from './metrics.ts';
import type { Outbox } from './outbox.ts';
import type { BuiltView, ProxyViews } from './proxy-views.ts';

/**
 * How long listeners and routes wait for a proxy's answer about clusters and endpoints before they go anyway. A busy machine answers
 * late, and what goes too early costs requests; so this is as long as Envoy waits for a first answer.
 */
const HOLD_MAX_MS = 15_000;

export type XdsRequest = DiscoveryRequest | DeltaDiscoveryRequest;

export interface ConnectionContext {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: PilotMetrics;
  readonly views: ProxyViews;
}

/** One proxy on one stream: its view of the mesh, what it has been sent, and how far it is. */
export class Connection {
  readonly id: string;
  readonly proxy: MeshProxy;
  readonly variant: 'sotw' | 'delta';
  readonly connectedAt: number;
  readonly userAgent: string;
  readonly #context: ConnectionContext;
  readonly #outbox: Outbox<Uint8Array | ScatteredMessage>;
  readonly #stream: AdsStream;
  readonly #sentAt = new Map<string, number>();
  #view: BuiltView;
  #snapshot: MeshSnapshot;
  #holdTimer: (() => void) | undefined;

  constructor(
    context: ConnectionContext,
    outbox: Outbox<Uint8Array | ScatteredMessage>,
    identity: { readonly id: string; readonly proxy: MeshProxy; readonly variant: 'sotw' | 'delta'; readonly userAgent: string },
    snapshot: MeshSnapshot,
  ) {
    this.id = identity.id;
    this.proxy = identity.proxy;
    this.variant = identity.variant;
    this.userAgent = identity.userAgent;
    this.connectedAt = context.clock.now();
    this.#context = context;
    this.#outbox = outbox;
    this.#snapshot = snapshot;
    this.#view = context.views.build(snapshot, identity.proxy);
    this.#stream = new AdsStream(
      {
        variant: identity.variant,
        // Streams that are sent the same then share it with its nonce.
        noncePrefix: '',
        // Delta can say of a route that it does not exist; SotW cannot.
        placeholder: (typeUrl, name) =>
          identity.variant === 'delta' && typeUrl !== ENDPOINT_TYPE
            ? undefined
            : context.views.placeholder(this.#snapshot, this.proxy, typeUrl, name),
      },
      this.#view,
    );
  }
  get view(): BuiltView {
    return this.#view;
  }
  onRequest(request: XdsRequest): void {
    const result = isDelta(request) ? this.#stream.onDeltaRequest(request) : this.#stream.onSotwRequest(request);
    this.#note(result);
    this.#send(result.responses);
  }
  /** Gives the proxy what a new snapshot changes for it. */
  push(snapshot: MeshSnapshot): number {
    this.#view = this.#context.views.build(snapshot, this.proxy);
    this.#snapshot = snapshot;
    return this.#send(this.#stream.update(this.#view));
  }
  status(): readonly (TypeStatus & { readonly sentAt: number | undefined })[] {
    return this.#stream.status().map((status) => ({ ...status, sentAt: this.#sentAt.get(status.typeUrl) }));
  }
  /** How far the proxy is with each resource of a type. */
  resourceStatus(typeUrl: string): readonly ResourceStatus[] {
    return this.#stream.resources(typeUrl);
  }
  /** Whether the proxy has answered for all of its view, with ACK or NACK. */
  get answered(): boolean {
    return this.#stream.answered;
  }
  close(): void {
    this.#context.views.forget(this.proxy);
    this.#holdTimer?.();
    this.#holdTimer = undefined;
  }

  #note({ meaning, error, typeUrl }: RequestResult): void {
    const { logger, metrics } = this.#context;
    const type = shortTypeName(typeUrl);
    if (meaning === 'nack') {
      metrics.rejects.inc({ type: type.toLowerCase() });
      logger.warn({ proxy: this.proxy.id, type, error }, `ADS:${type}: ACK ERROR ${this.proxy.id}: ${error ?? ''}`);
    } else {
      logger.debug({ proxy: this.proxy.id, type, meaning }, `ADS:${type}: ${meaning}`);
    }
  }
  #send(responses: readonly EncodedResponse[]): number {
    const { clock, metrics, logger } = this.#context;
    for (const response of responses) {
      const type = shortTypeName(response.typeUrl);
      this.#outbox.send(response);
      this.#sentAt.set(response.typeUrl, clock.now());
      metrics.pushes.inc({ type: type.toLowerCase() });
      metrics.configSize.observe(response.byteLength);
      logger.debug(
        { proxy: this.proxy.id, type, resources: response.resourceCount, removed: response.removedCount, bytes: response.byteLength },
        `${type}: PUSH`,
      );
    }
    this.#watchHold();
    return responses.length;
  }
  #stopHolding(): void {
    this.#context.logger.warn({ proxy: this.proxy.id, waitedMs: HOLD_MAX_MS }, 'the proxy has not answered; what waits for it goes now');
    this.#send(this.#stream.proceed());
  }
  /** A proxy that answers too late does not hold up its own listeners and routes for ever. */
  #watchHold(): void {
    this.#holdTimer?.();
    this.#holdTimer = this.#stream.waiting ? this.#context.clock.setTimeout(() => this.#stopHolding(), HOLD_MAX_MS) : undefined;
  }
}

function isDelta(request: XdsRequest): request is DeltaDiscoveryRequest {
  return request.$typeName === 'envoy.service.discovery.v3.DeltaDiscoveryRequest';
}
