import type { JsonObject } from '@bufbuild/protobuf';
import { type ServerDuplexStream, type ServiceDefinition, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import { type MeshProxy, type MeshSnapshot, placedProxy, proxyFromNode, type XdsNode } from '@xebec/model';
import type { Node } from '@xebec/protos/envoy/config/core/v3/base';
import { AggregatedDiscoveryService } from '@xebec/protos/envoy/service/discovery/v3/ads';
import { type ScatteredMessage, serviceDefinition } from '@xebec/rpc';
import { isLocalAddress } from './access.ts';
import type { Authenticate, Caller } from './authenticate.ts';
import type { MeshState, MeshUpdate } from './mesh-state.ts';
import { ProxyStream, type ProxyStreamContext, RefusedRequest } from './proxy-stream.ts';
import { PushQueue } from './push-queue.ts';
import { RateLimit } from './rate-limit.ts';
import type { Registration } from './registration/registrar.ts';
import { withSharedRequests } from './shared-requests.ts';
import type { XdsRequest } from './xds-request.ts';

export const adsService: ServiceDefinition = withSharedRequests(serviceDefinition(AggregatedDiscoveryService));

/** Requests that a stream may send before it is served: more than a proxy needs for all its types. */
const MAX_EARLY_REQUESTS = 64;

/** Longest time that a new stream waits for its turn under the rate limit. */
const ADMISSION_WAIT_MS = 10_000;

type Call = ServerDuplexStream<XdsRequest, Uint8Array | ScatteredMessage>;

/** All connected proxies: takes their streams, and pushes to them what each new snapshot changes. */
export class AdsServer {
  readonly #context: ProxyStreamContext;
  readonly #state: MeshState;
  readonly #connections = new Map<string, ProxyStream>();
  readonly #calls = new Set<Call>();
  readonly #queue: PushQueue<ProxyStream>;
  /** Services whose endpoints changed since a waiting proxy was last pushed to. */
  readonly #endpointsDue = new Map<ProxyStream, Set<string>>();
  readonly #admission: RateLimit;
  #waitingForSync: (() => void)[] = [];
  #sequence = 0;
  #pushedAt = 0;
  readonly #reasons = new Set<string>();

  constructor(context: ProxyStreamContext, state: MeshState) {
    this.#context = context;
    this.#state = state;
    this.#admission = new RateLimit(context.settings.requestsPerSecond, ADMISSION_WAIT_MS, context.clock);
    this.#queue = new PushQueue({
      clock: context.clock,
      atOnce: context.settings.pushThrottle,
      push: (connection, request) => this.#push(connection, request),
    });
    state.subscribe((snapshot, update) => this.#onUpdate(snapshot, update));
  }
  connections(): readonly ProxyStream[] {
    return [...this.#connections.values()];
  }
  get pushedAt(): number {
    return this.#pushedAt;
  }
  /** Notes why the next push comes, in Istio's words: `config`, `endpoint`, `service`. */
  noteReason(reason: string): void {
    this.#reasons.add(reason);
  }
  /** The handlers for one listener, whose callers are asked for their identity in one way. */
  implementation(authenticate: Authenticate): UntypedServiceImplementation {
    return {
      StreamAggregatedResources: (call: Call) => this.#accept(call, 'sotw', authenticate),
      DeltaAggregatedResources: (call: Call) => this.#accept(call, 'delta', authenticate),
    };
  }
  /** Pushes to everybody as after a change. */
  pushAll(): void {
    const since = this.#context.clock.monotonic();
    this.#context.metrics.triggers.inc({ type: 'debug' });
    for (const connection of this.#connections.values()) this.#queue.add(connection, { full: true, since });
  }
  /** Looks again at what does not come from snapshots, such as Secrets. */
  pushAuxiliary(): void {
    for (const stream of this.#connections.values()) stream.pushAuxiliary();
  }
  close(): void {
    this.#queue.close();
    for (const call of this.#calls) call.end();
  }

  #accept(call: Call, variant: 'sotw' | 'delta', authenticate: Authenticate): void {
    this.#calls.add(call);
    const early: XdsRequest[] = [];
    let connection: ProxyStream | undefined;
    let registration: Registration | undefined;
    let over = false;
    const end = () => {
      over = true;
      this.#calls.delete(call);
      if (registration !== undefined) this.#context.unregister(call, registration);
      registration = undefined;
      if (connection === undefined) return;
      connection.close();
      this.#connections.delete(connection.id);
      this.#endpointsDue.delete(connection);
      this.#queue.remove(connection);
      this.#countConnection(connection, -1);
      this.#context.logger.info({ proxy: connection.proxy.id, connection: connection.id }, 'ADS: terminated');
      connection = undefined;
    };
    const refuse = (code: status, message: string) => {
      if (over) return;
      this.#context.logger.warn({ peer: call.getPeer() }, message);
      call.emit('error', { code, details: message });
      end();
    };
    const open = (proxy: MeshProxy, node: XdsNode, caller: Caller | undefined, snapshot: MeshSnapshot) => {
      if (over) return;
      const id = `${proxy.name}.${proxy.namespace}-${++this.#sequence}`;
      const peer = call.getPeer();
      const identity = { id, proxy, variant, userAgent: node.userAgentName ?? '', caller, peer, local: isLocalAddress(peer), registration };
      const opened = new ProxyStream(this.#context, call, identity, snapshot);
      connection = opened;
      this.#connections.set(id, opened);
      this.#countConnection(opened, 1);
      this.#context.logger.info({ proxy: proxy.id, connection: id, variant, peer }, 'ADS: new connection');
      for (const waiting of early) this.#guard(opened, () => opened.onRequest(waiting), refuse);
    };
    call.on('data', (request: XdsRequest) => {
      if (connection !== undefined) {
        this.#guard(connection, () => connection?.onRequest(request), refuse);
        return;
      }
      early.push(request);
      if (early.length > MAX_EARLY_REQUESTS)
        return refuse(status.RESOURCE_EXHAUSTED, `more than ${MAX_EARLY_REQUESTS} requests before the first response`);
      if (early.length > 1) return;
      this.#admit(call, request, authenticate).then(
        ({ node, caller }) => {
          this.#whenSynced(() => {
            if (over) return;
            const proxy = proxyFromNode(node);
            if (!proxy.ok) return refuse(status.INVALID_ARGUMENT, proxy.error);
            const foreign = this.#context.settings.identityCheck ? identityMismatch(proxy.value, caller) : undefined;
            if (foreign !== undefined) return refuse(status.PERMISSION_DENIED, foreign);
            const opening = proxy.value;
            this.#context.register(call, opening, caller).then(
              (held) => {
                if (over) {
                  if (held !== undefined) this.#context.unregister(call, held);
                  return;
                }
                registration = held;
                this.#whenSynced((latest) => open(placedProxy(latest, opening), node, caller, latest));
              },
              (error: unknown) => refuse(status.FAILED_PRECONDITION, errorText(error)),
            );
          });
        },
        (error: unknown) => refuse(error instanceof RefusedRequest ? error.refusal.code : status.UNAUTHENTICATED, errorText(error)),
      );
    });
    call.on('end', () => {
      if (!over) call.end();
      end();
    });
    call.on('cancelled', end);
    call.on('close', end);
    call.on('error', end);
  }
  /** Lets new streams in as fast as the limit allows; one that would wait too long is told to come back. */
  async #admit(call: Call, first: XdsRequest, authenticate: Authenticate): Promise<{ node: XdsNode; caller: Caller | undefined }> {
    const waitMs = this.#admission.take();
    if (waitMs === undefined)
      throw new RefusedRequest({ code: status.RESOURCE_EXHAUSTED, message: 'too many new streams; come back later' });
    if (waitMs > 0) await new Promise<void>((resolve) => this.#context.clock.setTimeout(resolve, waitMs));
    return this.#identify(call, first, authenticate);
  }
  async #identify(call: Call, first: XdsRequest, authenticate: Authenticate): Promise<{ node: XdsNode; caller: Caller | undefined }> {
    if (first.node === undefined) throw new Error('the first request of a stream must carry the node');
    return { node: toXdsNode(first.node), caller: await authenticate(call) };
  }
  #whenSynced(run: (snapshot: MeshSnapshot) => void): void {
    const { snapshot } = this.#state;
    if (snapshot !== undefined) run(snapshot);
    else this.#waitingForSync.push(() => this.#whenSynced(run));
  }
  #onUpdate(_snapshot: MeshSnapshot, update: MeshUpdate): void {
    const { metrics, clock } = this.#context;
    for (const type of this.#reasons.size > 0 ? this.#reasons : ['unknown']) metrics.triggers.inc({ type });
    this.#reasons.clear();
    metrics.debounceTime.observe((clock.monotonic() - update.since) / 1000);
    const waiting = this.#waitingForSync;
    this.#waitingForSync = [];
    for (const run of waiting) run();
    for (const connection of this.#connections.values()) {
      if (update.kind === 'endpoints') {
        const due = this.#endpointsDue.get(connection) ?? new Set();
        for (const service of update.services) due.add(service);
        this.#endpointsDue.set(connection, due);
      }
      this.#queue.add(connection, { full: update.kind === 'full', since: update.since });
    }
  }
  #push(connection: ProxyStream, request: { readonly full: boolean; readonly since: number; readonly queuedAt: number }): void {
    const { snapshot } = this.#state;
    const { metrics, clock, logger } = this.#context;
    if (snapshot === undefined) return;
    const start = clock.monotonic();
    metrics.queueTime.observe((start - request.queuedAt) / 1000);
    const services = request.full ? undefined : this.#endpointsDue.get(connection);
    this.#endpointsDue.delete(connection);
    try {
      const sent = connection.push(snapshot, services);
      const end = clock.monotonic();
      metrics.pushTime.observe((end - start) / 1000);
      if (sent > 0) metrics.convergence.observe((end - request.since) / 1000);
      this.#pushedAt = clock.now();
    } catch (error) {
      // The proxy keeps what it has: a view that cannot be built must not cost it its connection.
      metrics.internalErrors.inc();
      logger.error({ proxy: connection.proxy.id }, `building the configuration failed, the proxy keeps what it has: ${errorText(error)}`);
    }
  }
  #countConnection({ proxy }: ProxyStream, change: 1 | -1): void {
    this.#context.metrics.connections.inc({ version: String(proxy.metadata['ISTIO_VERSION'] ?? 'unknown') }, change);
  }
  #guard(connection: ProxyStream, run: () => void, refuse: (code: status, message: string) => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof RefusedRequest) {
        refuse(error.refusal.code, error.message);
        return;
      }
      this.#context.metrics.internalErrors.inc();
      refuse(status.INTERNAL, `answering ${connection.proxy.id} failed: ${errorText(error)}`);
    }
  }
}

/** Why a node is not who its credentials say; undefined: it is, or nothing is known. */
function identityMismatch(proxy: MeshProxy, caller: Caller | undefined): string | undefined {
  if (caller === undefined) return undefined;
  if (caller.namespace !== proxy.namespace)
    return `node ${proxy.id} says it is in namespace "${proxy.namespace}" but its credentials are of namespace "${caller.namespace}"`;
  const account = proxy.metadata['SERVICE_ACCOUNT'];
  if (typeof account === 'string' && account !== '' && account !== caller.serviceAccount)
    return `node ${proxy.id} says its service account is "${account}" but its credentials are of "${caller.serviceAccount}"`;
  return undefined;
}

function toXdsNode(node: Node): XdsNode {
  const metadata: JsonObject | undefined = node.metadata;
  return {
    id: node.id,
    cluster: node.cluster,
    metadata,
    locality: node.locality,
    extensions: node.extensions,
    userAgentName: node.userAgentName,
  };
}
