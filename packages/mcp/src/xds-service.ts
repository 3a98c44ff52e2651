import { create, toBinary } from '@bufbuild/protobuf';
import { type ServerDuplexStream, type ServiceDefinition, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { errorText } from '@xebec/core';
import { AggregatedDiscoveryService } from '@xebec/protos/envoy/service/discovery/v3/ads';
import { type DiscoveryRequest, type DiscoveryResponse, DiscoveryResponseSchema } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { ResourceSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { serviceDefinition } from '@xebec/rpc';
import { collections } from './resource.ts';
import type { McpAuthenticate } from './server.ts';
import type { CollectionState } from './source-diff.ts';
import type { SourceStates } from './source-states.ts';

export const RESOURCE_TYPE_URL = 'type.googleapis.com/istio.mcp.v1alpha1.Resource';

/** Only the aggregated service's state-of-the-world method. */
export const xdsSourceService: ServiceDefinition = serviceDefinition(AggregatedDiscoveryService);

type XdsCall = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse | Uint8Array>;

/** `networking.istio.io/v1/VirtualService`: how a collection is called in xDS. */
export function xdsTypeOf(collection: { readonly apiVersion: string; readonly kind: string }): string {
  return `${collection.apiVersion}/${collection.kind}`;
}

interface Subscription {
  readonly collection: string;
  sentVersion: string | undefined;
  nonce: string;
  awaiting: boolean;
  unsent: boolean;
}

/** A version of an API group that is not the one we store is the same kind: `networking.istio.io/v1beta1/VirtualService`. */
function collectionOfType(typeUrl: string): string | undefined {
  const match = /^([a-z0-9.-]+)\/v[a-z0-9]+\/(\w+)$/.exec(typeUrl);
  return collections.find(({ apiVersion, kind }) => kind === match?.[2] && apiVersion.split('/')[0] === match?.[1])?.name;
}

const encodedStates = new WeakMap<CollectionState, readonly { readonly typeUrl: string; readonly value: Uint8Array }[]>();

function anysOf(state: CollectionState): readonly { readonly typeUrl: string; readonly value: Uint8Array }[] {
  let anys = encodedStates.get(state);
  if (anys === undefined) {
    anys = [...state.resources.values()].map((resource) => ({ typeUrl: RESOURCE_TYPE_URL, value: toBinary(ResourceSchema, resource) }));
    encodedStates.set(state, anys);
  }
  return anys;
}

/**
 * The collections of a source by xDS, as `GENERATOR=api` gives them: one type a kind, each resource an MCP resource. One response of a
 * type at a time waits for its answer; what was refused is sent again only when it has changed.
 */
export class XdsSource {
  readonly #states: SourceStates;
  readonly #maxStreams: number;
  readonly #streams = new Map<XdsCall, Map<string, Subscription>>();
  #nonces = 0;

  constructor(states: SourceStates, maxStreams = 1_000) {
    this.#states = states;
    this.#maxStreams = maxStreams;
  }
  get streams(): number {
    return this.#streams.size;
  }
  /** Sends what has changed; call it after each publication. */
  update(): void {
    for (const [call, subscriptions] of this.#streams)
      for (const [typeUrl, subscription] of subscriptions) this.#send(call, typeUrl, subscription);
  }
  implementation(authenticate?: McpAuthenticate): UntypedServiceImplementation {
    const accept = (call: XdsCall): void => {
      call.on('error', () => undefined);
      const refuse = (code: status, details: string) => void call.emit('error', { code, details });
      if (this.#streams.size >= this.#maxStreams) refuse(status.RESOURCE_EXHAUSTED, `${this.#maxStreams} streams are open`);
      else if (authenticate === undefined) this.#serve(call);
      else
        authenticate(call).then(
          () => this.#serve(call),
          (error: unknown) => refuse(status.UNAUTHENTICATED, errorText(error)),
        );
    };
    return { StreamAggregatedResources: accept };
  }
  close(): void {
    for (const call of this.#streams.keys()) call.end();
    this.#streams.clear();
  }

  #serve(call: XdsCall): void {
    const subscriptions = new Map<string, Subscription>();
    this.#streams.set(call, subscriptions);
    const end = () => void this.#streams.delete(call);
    call.on('data', ({ typeUrl, responseNonce }: DiscoveryRequest) => {
      let subscription = subscriptions.get(typeUrl);
      if (subscription === undefined) {
        const collection = collectionOfType(typeUrl);
        if (collection === undefined || !this.#states.known.has(collection)) {
          call.emit('error', { code: status.INVALID_ARGUMENT, details: `no such kind: "${typeUrl.slice(0, 200)}"` });
          return end();
        }
        subscription = { collection, sentVersion: undefined, nonce: '', awaiting: false, unsent: false };
        subscriptions.set(typeUrl, subscription);
      } else if (responseNonce !== subscription.nonce) {
        return;
      } else {
        subscription.awaiting = false;
      }
      this.#send(call, typeUrl, subscription);
    });
    call.on('end', () => {
      call.end();
      end();
    });
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);
  }
  #send(call: XdsCall, typeUrl: string, subscription: Subscription): void {
    const state = this.#states.state(subscription.collection);
    if (state === undefined || subscription.awaiting || subscription.unsent || subscription.sentVersion === state.version) return;
    subscription.sentVersion = state.version;
    subscription.nonce = String(++this.#nonces);
    subscription.awaiting = true;
    subscription.unsent = true;
    const { nonce } = subscription;
    const response = create(DiscoveryResponseSchema, { versionInfo: state.version, typeUrl, nonce, resources: [...anysOf(state)] });
    call.write(response, () => {
      subscription.unsent = false;
      this.#send(call, typeUrl, subscription);
    });
  }
}
