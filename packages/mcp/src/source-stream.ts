import { create } from '@bufbuild/protobuf';
import { type RequestResources, type Resources, ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { BodyForm } from './encode-response.ts';
import { type CollectionState, differenceOf, type Held, NOTHING_HELD, wholeOf } from './source-diff.ts';
import { ABORTED, BODIES, TRANSACTIONS } from './transaction-mark.ts';

/** What a source holds now. */
export interface SourceView {
  /** Of the latest change, whatever collections it touched. */
  readonly version: string;
  /** The state of a collection; undefined as long as it is not known, which is not the same as empty. */
  state(collection: string): CollectionState | undefined;
}

export interface SourceRequestResult {
  /** `invalid`: the stream must end with INVALID_ARGUMENT and `error`. */
  readonly meaning: 'subscribe' | 'ack' | 'nack' | 'stale' | 'invalid';
  readonly error?: string;
  readonly responses: readonly Resources[];
}

/** A change that a sink refused: its collections go out again together, and only when one that was wrong is another. */
interface RefusedChange {
  readonly wrong: Set<string>;
}

interface Subscription {
  readonly incremental: boolean;
  /** What the sink has accepted. */
  held: Held;
  /** What was sent and not answered yet. */
  pending: CollectionState | undefined;
  /** Collection version of the last response; undefined: none yet. */
  sentVersion: string | undefined;
  nonce: string;
  /** The next response must carry everything. */
  whole: boolean;
  lastError: string | undefined;
  refused: RefusedChange | undefined;
}

export interface SubscriptionStatus {
  readonly collection: string;
  readonly incremental: boolean;
  readonly nonce: string;
  /** Collection version that was sent last; empty when none was. */
  readonly sentVersion: string;
  readonly acked: boolean;
  readonly lastError: string | undefined;
}

/**
 * The source's half of one MCP stream, without I/O. One response of a collection at a time waits for its answer; what was refused
 * is sent again only when it has changed. To sinks that ask for transactions all collections that differ go out together, and
 * nothing else until all of them are answered; to others each collection goes its own way.
 */
export class McpSourceStream {
  readonly #known: ReadonlySet<string>;
  readonly #view: SourceView;
  readonly #noncePrefix: string;
  readonly #mayWrite: (collection: string) => boolean;
  readonly #subscriptions = new Map<string, Subscription>();
  /** How many collections a sink with transactions asks for; undefined for other sinks. */
  #expected: number | undefined;
  #bodies: BodyForm = 'message';
  #batch: RefusedChange = { wrong: new Set() };
  #nonces = 0;

  /** `mayWrite`: whether the connection can take a response of a collection now. */
  constructor(known: ReadonlySet<string>, view: SourceView, noncePrefix = '', mayWrite: (collection: string) => boolean = () => true) {
    this.#known = known;
    this.#view = view;
    this.#noncePrefix = noncePrefix;
    this.#mayWrite = mayWrite;
  }
  /** Whether the sink asked for changes that span collections. */
  get transactions(): boolean {
    return this.#expected !== undefined;
  }
  get bodies(): BodyForm {
    return this.#bodies;
  }
  onRequest(request: RequestResources): SourceRequestResult {
    const { collection, errorDetail } = request;
    if (!this.#known.has(collection))
      return { meaning: 'invalid', error: `unknown collection "${collection.slice(0, 200)}"`, responses: [] };
    const subscription = this.#subscriptions.get(collection);
    if (request.responseNonce === '' || subscription === undefined) {
      this.#subscribe(request);
      return { meaning: 'subscribe', responses: this.update() };
    }
    if (request.responseNonce !== subscription.nonce || subscription.pending === undefined) return { meaning: 'stale', responses: [] };
    const { pending } = subscription;
    subscription.pending = undefined;
    subscription.lastError = errorDetail?.message;
    if (errorDetail === undefined) {
      subscription.held = pending;
      subscription.whole = false;
      return { meaning: 'ack', responses: this.update() };
    }
    this.#refused(collection, subscription, errorDetail.code);
    return { meaning: 'nack', error: errorDetail.message, responses: this.update() };
  }
  /** What the present state asks to be sent; nothing of what awaits an answer or is not written yet. */
  update(): readonly Resources[] {
    const due = [...this.#subscriptions].filter(([name, subscription]) => this.#mayWrite(name) && this.#isDue(name, subscription));
    if (this.#expected === undefined) return due.map(([name, subscription]) => this.#respond(name, subscription));
    if (this.#subscriptions.size < this.#expected) return [];
    if ([...this.#subscriptions].some(([name, { pending }]) => pending !== undefined || !this.#mayWrite(name))) return [];
    if (due.length > 0) this.#batch = { wrong: new Set() };
    return due.map(([name, subscription], i) => {
      const response = this.#respond(name, subscription);
      response.systemVersionInfo = this.#view.version;
      response.more = i < due.length - 1;
      return response;
    });
  }
  /** Collections with how far the sink is, for debug pages. */
  status(): readonly SubscriptionStatus[] {
    return [...this.#subscriptions].map(([collection, { incremental, nonce, sentVersion = '', pending, lastError }]) => ({
      collection,
      incremental,
      nonce,
      sentVersion,
      acked: sentVersion !== '' && pending === undefined && lastError === undefined,
      lastError,
    }));
  }

  #subscribe({ collection, incremental, initialResourceVersions, sinkNode }: RequestResources): void {
    const expected = Number(sinkNode?.annotations[TRANSACTIONS] ?? Number.NaN);
    if (Number.isInteger(expected) && expected > 0) this.#expected = Math.min(expected, this.#known.size);
    if (sinkNode?.annotations[BODIES] === 'struct') this.#bodies = 'struct';
    const versions = Object.entries(initialResourceVersions);
    this.#subscriptions.set(collection, {
      incremental,
      held: versions.length === 0 ? NOTHING_HELD : { versions: new Map(versions) },
      pending: undefined,
      sentVersion: undefined,
      nonce: '',
      whole: false,
      lastError: undefined,
      refused: undefined,
    });
  }
  #refused(collection: string, subscription: Subscription, code: number): void {
    if (this.#expected === undefined) {
      // Nothing of a refused response should be in force, but what is cannot be known: the next one carries all of it.
      subscription.whole = true;
      return;
    }
    subscription.refused = this.#batch;
    if (code === ABORTED) return;
    subscription.whole = true;
    this.#batch.wrong.add(collection);
  }
  #isDue(collection: string, subscription: Subscription): boolean {
    const state = this.#view.state(collection);
    if (state === undefined || subscription.pending !== undefined) return false;
    const { refused } = subscription;
    if (refused === undefined || refused.wrong.size === 0) return subscription.sentVersion !== state.version;
    return [...refused.wrong].some((wrong) => this.#view.state(wrong)?.version !== this.#subscriptions.get(wrong)?.sentVersion);
  }
  #respond(collection: string, subscription: Subscription): Resources {
    const state = this.#view.state(collection) ?? { version: '', resources: new Map() };
    const full = !subscription.incremental || subscription.whole;
    const { resources, removed } = full ? wholeOf(state) : differenceOf(subscription.held, state);
    subscription.sentVersion = state.version;
    subscription.pending = state;
    subscription.refused = undefined;
    subscription.nonce = `${this.#noncePrefix}${++this.#nonces}`;
    const response = create(ResourcesSchema, {
      systemVersionInfo: state.version,
      collection,
      removedResources: [...removed],
      nonce: subscription.nonce,
      incremental: !full,
    });
    // Not through `create`, which copies: the encoder knows shared contents by their array. Nobody changes it.
    response.resources = resources as Resources['resources'];
    return response;
  }
}
