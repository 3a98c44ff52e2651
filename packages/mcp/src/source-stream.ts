import { create } from '@bufbuild/protobuf';
import { type RequestResources, type Resource, type Resources, ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';

/** What a collection holds at one moment. */
export interface CollectionState {
  /** Changes whenever the content does. */
  readonly version: string;
  readonly resources: ReadonlyMap<string, Resource>;
}

/** The state of a collection; undefined as long as it is not known, which is not the same as empty. */
export type CollectionLookup = (collection: string) => CollectionState | undefined;

export interface SourceRequestResult {
  /** `invalid`: the stream must end with INVALID_ARGUMENT and `error`. */
  readonly meaning: 'subscribe' | 'ack' | 'nack' | 'stale' | 'invalid';
  readonly error?: string;
  readonly responses: readonly Resources[];
}

interface Subscription {
  incremental: boolean;
  /** Version by name of what the sink holds or was just sent. */
  readonly sent: Map<string, string>;
  /** Collection version of the last response; undefined: none yet. */
  sentVersion: string | undefined;
  nonce: string;
  awaitingAnswer: boolean;
  lastError: string | undefined;
}

/**
 * The source's half of one MCP stream, without I/O. Each collection goes its own way: one response at a time waits for its
 * answer; what was refused is sent again only when the collection has changed.
 */
export class McpSourceStream {
  readonly #known: ReadonlySet<string>;
  readonly #lookup: CollectionLookup;
  readonly #noncePrefix: string;
  readonly #subscriptions = new Map<string, Subscription>();
  #nonces = 0;

  constructor(known: ReadonlySet<string>, lookup: CollectionLookup, noncePrefix = '') {
    this.#known = known;
    this.#lookup = lookup;
    this.#noncePrefix = noncePrefix;
  }
  onRequest(request: RequestResources): SourceRequestResult {
    const { collection } = request;
    if (!this.#known.has(collection)) return { meaning: 'invalid', error: `unknown collection "${collection}"`, responses: [] };
    const subscription = this.#subscriptions.get(collection);
    if (request.responseNonce === '' || subscription === undefined) {
      this.#subscriptions.set(collection, {
        incremental: request.incremental,
        sent: new Map(Object.entries(request.initialResourceVersions)),
        sentVersion: undefined,
        nonce: '',
        awaitingAnswer: false,
        lastError: undefined,
      });
      return { meaning: 'subscribe', responses: this.update(collection) };
    }
    if (request.responseNonce !== subscription.nonce) return { meaning: 'stale', responses: [] };
    subscription.awaitingAnswer = false;
    subscription.lastError = request.errorDetail?.message;
    if (request.errorDetail !== undefined) {
      // Nothing of a refused response was applied, so the next one must carry all of it.
      subscription.sent.clear();
      return { meaning: 'nack', error: request.errorDetail.message, responses: this.update(collection) };
    }
    return { meaning: 'ack', responses: this.update(collection) };
  }
  /** What a collection's present state asks to be sent; nothing while an answer is awaited. */
  update(collection: string): readonly Resources[] {
    const subscription = this.#subscriptions.get(collection);
    const state = this.#lookup(collection);
    if (subscription === undefined || state === undefined || subscription.awaitingAnswer) return [];
    if (subscription.sentVersion === state.version) return [];
    const full = !subscription.incremental || subscription.lastError !== undefined;
    const { sent } = subscription;
    const resources = [...state.resources].filter(([name, resource]) => full || sent.get(name) !== resource.metadata?.version);
    const removed = full ? [] : [...sent.keys()].filter((name) => !state.resources.has(name));
    subscription.sentVersion = state.version;
    subscription.awaitingAnswer = true;
    subscription.nonce = `${this.#noncePrefix}${++this.#nonces}`;
    sent.clear();
    for (const [name, resource] of state.resources) sent.set(name, resource.metadata?.version ?? '');
    return [
      create(ResourcesSchema, {
        systemVersionInfo: state.version,
        collection,
        resources: resources.map(([, resource]) => resource),
        removedResources: removed,
        nonce: subscription.nonce,
        incremental: !full,
      }),
    ];
  }
  /** Collections with how far the sink is, for debug pages. */
  status(): readonly {
    readonly collection: string;
    readonly nonce: string;
    readonly acked: boolean;
    readonly lastError: string | undefined;
  }[] {
    return [...this.#subscriptions].map(([collection, { nonce, awaitingAnswer, lastError }]) => ({
      collection,
      nonce,
      acked: !awaitingAnswer && lastError === undefined,
      lastError,
    }));
  }
}
