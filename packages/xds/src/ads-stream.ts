import type { DeltaDiscoveryRequest, DiscoveryRequest } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { NO_NAMES } from './name-set.ts';
import { applyDeltaRequest, applySotwRequest, type Interpretation } from './requests.ts';
import type { EncodedResource, ResourceMap } from './resource.ts';
import { ResourceLayer, resourcesOf } from './resource-layer.ts';
import { type EncodedResponse, encodeDeltaResponse, encodeSotwResponse } from './responses.ts';
import { ABSENT, type Difference, type ResourceStatus, Subscription } from './subscription.ts';
import { CLUSTER_TYPE, ENDPOINT_TYPE, isWholeSetType, LISTENER_TYPE, PUSH_ORDER, ROUTE_TYPE } from './type-url.ts';

/** Everything one proxy should have. Reusing a map object between views says that nothing in it changed. */
export interface ProxyView {
  /** Shown as version_info; equal views may carry different versions. */
  readonly version: string;
  resources(typeUrl: string): ResourceMap;
}

export interface AdsStreamOptions {
  readonly variant: 'sotw' | 'delta';
  /** Starts every nonce, so that nonces of two streams differ. */
  readonly noncePrefix: string;
  /** What stands for a resource that was asked for by name and does not exist; undefined: say that it does not exist. */
  readonly placeholder?: (typeUrl: string, name: string) => EncodedResource | undefined;
}

export interface RequestResult extends Omit<Interpretation, 'answer'> {
  readonly typeUrl: string;
  readonly responses: readonly EncodedResponse[];
}

/** How far a proxy is with one type: what `proxy-status` shows. */
export interface TypeStatus {
  readonly typeUrl: string;
  readonly sentNonce: string;
  readonly ackedNonce: string;
  readonly state: 'synced' | 'pending' | 'rejected' | 'not-sent';
  readonly lastError: string | undefined;
  readonly resourceCount: number;
  /** What the proxy asked for by name; empty where it gets everything. */
  readonly names: readonly string[];
  /** Names of the resources that it refused and that are still in force here. */
  readonly rejected: readonly string[];
}

/**
 * The server's half of one ADS stream, without I/O: requests and views go in, encoded responses come out. At most one pushed
 * response per type waits for its ACK; what changes meanwhile is gathered into the next.
 *
 * Make before break: listeners and routes of a new view wait until the proxy has accepted its clusters and their endpoints,
 * and clusters leave only after the listeners and routes that named them have been replaced. A proxy that answers nothing
 * would hold this up for ever, so the owner calls `proceed` when `waiting` has been true for too long.
 */
export class AdsStream {
  readonly #options: AdsStreamOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Clusters that were sent and whose endpoints the proxy has not accepted yet. */
  readonly #warming = new Set<string>();
  #view: ProxyView;
  #nonces = 0;
  /** The proxy brought clusters from an earlier stream but has not asked for its listeners yet. */
  #awaitingListeners = false;

  constructor(options: AdsStreamOptions, view: ProxyView) {
    this.#options = options;
    this.#view = view;
  }

  onSotwRequest(request: DiscoveryRequest): RequestResult {
    const { subscription, first } = this.#subscriptionFor(request.typeUrl);
    return this.#respond(subscription, applySotwRequest(subscription, request, first));
  }
  onDeltaRequest(request: DeltaDiscoveryRequest): RequestResult {
    const { subscription, first } = this.#subscriptionFor(request.typeUrl);
    return this.#respond(subscription, applyDeltaRequest(subscription, request, first));
  }
  /** A new view of the mesh; what the proxy lacks comes back in push order, as far as order allows now. */
  update(view: ProxyView): readonly EncodedResponse[] {
    this.#view = view;
    return this.#advance();
  }
  /** Stops waiting for answers and goes on. */
  proceed(): readonly EncodedResponse[] {
    for (const subscription of this.#subscriptions.values()) subscription.stopWaiting();
    this.#warming.clear();
    this.#awaitingListeners = false;
    return this.#advance();
  }
  /** Whether something is due that waits for the proxy's answer. */
  get waiting(): boolean {
    return PUSH_ORDER.some((typeUrl) => {
      const subscription = this.#subscriptions.get(typeUrl);
      return subscription !== undefined && (subscription.owesFirst || !isEmpty(this.#difference(subscription)));
    });
  }
  subscribedNames(typeUrl: string): ReadonlySet<string> {
    return (this.#subscriptions.get(typeUrl)?.names ?? NO_NAMES).names;
  }
  subscribedTypes(): readonly string[] {
    return [...this.#subscriptions.keys()];
  }
  /** How far the proxy is with each resource of a type that it was sent. */
  resources(typeUrl: string): readonly ResourceStatus[] {
    return this.#subscriptions.get(typeUrl)?.resources() ?? [];
  }
  /** Whether the proxy has answered for all of its view; what it refused stays refused until it changes. */
  get answered(): boolean {
    for (const subscription of this.#subscriptions.values())
      if (subscription.awaitsAnswer || subscription.owesFirst || !isEmpty(this.#difference(subscription))) return false;
    return true;
  }
  status(): readonly TypeStatus[] {
    return [...this.#subscriptions.values()].map((subscription) => ({
      typeUrl: subscription.typeUrl,
      sentNonce: subscription.lastNonce,
      ackedNonce: subscription.ackedNonce,
      state: statusOf(subscription),
      lastError: subscription.lastError,
      resourceCount: Array.from(subscription.sent).length,
      names: subscription.wildcard ? [] : [...subscription.names],
      rejected: [...subscription.rejected.keys()],
    }));
  }

  #subscriptionFor(typeUrl: string): { subscription: Subscription; first: boolean } {
    const known = this.#subscriptions.get(typeUrl);
    if (known !== undefined) return { subscription: known, first: false };
    const subscription = new Subscription(typeUrl, (name) => this.#view.resources(typeUrl).get(name)?.name ?? name);
    this.#subscriptions.set(typeUrl, subscription);
    return { subscription, first: true };
  }
  #respond(subscription: Subscription, interpretation: Interpretation): RequestResult {
    const { answer, ...rest } = interpretation;
    if (subscription.typeUrl === CLUSTER_TYPE && rest.resumed) this.#awaitingListeners = true;
    if (subscription.typeUrl === LISTENER_TYPE) this.#awaitingListeners = false;
    if (answer === 'all') {
      subscription.owesFirst = isWholeSetType(subscription.typeUrl) && !(rest.resumed && this.#options.variant === 'delta');
    }
    const responses = [...this.#answer(subscription, answer), ...this.#advance()];
    return { ...rest, typeUrl: subscription.typeUrl, responses };
  }
  /** What was asked for is answered although an earlier response waits for its ACK, but not before what it builds on. */
  #answer(subscription: Subscription, answer: 'all' | ReadonlySet<string>): readonly EncodedResponse[] {
    if (answer !== 'all' && answer.size === 0) return [];
    if (!this.#mayPush(subscription.typeUrl)) return [];
    const whole = this.#difference(subscription);
    if (answer === 'all') return isEmpty(whole) && !subscription.owesFirst ? [] : this.#send(subscription, whole);
    const asked = { changed: whole.changed.filter(({ name }) => answer.has(name)), gone: whole.gone.filter((name) => answer.has(name)) };
    if (isEmpty(asked)) return [];
    // A response that replaces the whole set brings everything that has changed.
    return this.#send(subscription, this.#replacesSet(subscription.typeUrl) ? { ...asked, changed: whole.changed } : asked);
  }
  #advance(): readonly EncodedResponse[] {
    this.#endWarming();
    const responses: EncodedResponse[] = [];
    const extra = [...this.#subscriptions.keys()].filter((typeUrl) => !PUSH_ORDER.includes(typeUrl));
    for (const typeUrl of [...PUSH_ORDER, ...extra]) {
      const subscription = this.#subscriptions.get(typeUrl);
      if (subscription === undefined || subscription.awaitsAnswer || !this.#mayPush(typeUrl)) continue;
      const difference = this.#difference(subscription);
      if (!isEmpty(difference) || subscription.owesFirst) responses.push(...this.#send(subscription, difference));
    }
    return responses;
  }
  #difference(subscription: Subscription): Difference {
    const placeholder = (name: string) =>
      // What was there and left is told by its absence; a placeholder is for what never was.
      subscription.sent.has(name) && !this.#isPlaceholder(subscription, name)
        ? undefined
        : this.#options.placeholder?.(subscription.typeUrl, name);
    return subscription.compare(this.#view.resources(subscription.typeUrl), placeholder);
  }
  #isPlaceholder(subscription: Subscription, name: string): boolean {
    return this.#options.placeholder?.(subscription.typeUrl, name)?.version === subscription.sent.get(name);
  }
  /** Listeners and routes follow clusters and endpoints; the other types wait for nothing. */
  #mayPush(typeUrl: string): boolean {
    if (typeUrl !== LISTENER_TYPE && typeUrl !== ROUTE_TYPE) return true;
    const clusters = this.#subscriptions.get(CLUSTER_TYPE);
    if (clusters === undefined) return true;
    if (clusters.awaitsAnswer || this.#difference(clusters).changed.length > 0) return false;
    if (typeUrl === ROUTE_TYPE && this.#subscriptions.get(LISTENER_TYPE)?.awaitsAnswer === true) return false;
    // A cluster that left the view again holds nothing up, but it is not warm either, should it come back.
    const endpoints = this.#view.resources(ENDPOINT_TYPE);
    for (const name of this.#warming) if (endpoints.has(name)) return false;
    return true;
  }
  /** Whether what left the view may leave the proxy: not while something there may still name it. */
  #mayRemove(typeUrl: string): boolean {
    switch (typeUrl) {
      case CLUSTER_TYPE:
        return !this.#awaitingListeners && this.#isSettled(LISTENER_TYPE) && this.#isSettled(ROUTE_TYPE);
      case ENDPOINT_TYPE:
        return this.#isSettled(CLUSTER_TYPE);
      case ROUTE_TYPE:
        return this.#isSettled(LISTENER_TYPE);
      default:
        return true;
    }
  }
  /** Accepted in full: nothing due, nothing on the way, nothing refused. */
  #isSettled(typeUrl: string): boolean {
    const subscription = this.#subscriptions.get(typeUrl);
    if (subscription === undefined) return true;
    if (subscription.awaitsAnswer || subscription.rejected.size > 0) return false;
    const { changed, gone } = this.#difference(subscription);
    return changed.length === 0 && (gone.length === 0 || typeUrl === ROUTE_TYPE);
  }
  #send(subscription: Subscription, difference: Difference): readonly EncodedResponse[] {
    const { typeUrl } = subscription;
    const removing = this.#mayRemove(typeUrl);
    const gone = removing ? difference.gone : difference.gone.filter((name) => !subscription.sent.has(name));
    if (difference.changed.length === 0 && gone.length === 0 && !subscription.owesFirst) return [];
    const { variant } = this.#options;
    const wholeSet = this.#replacesSet(typeUrl);
    for (const name of gone) subscription.markSent(name, ABSENT);
    if (variant === 'sotw' && !wholeSet && difference.changed.length === 0) return [];
    const nonce = `${this.#options.noncePrefix}${++this.#nonces}`;
    const resources = wholeSet ? this.#wholeSet(subscription) : difference.changed;
    subscription.expect(nonce, wholeSet ? subscription.content : contentOf(difference), variant === 'sotw');
    const { whole, changed } = difference;
    if (whole !== undefined) subscription.markAllSent(whole, difference.gone);
    for (const { name, version } of whole === undefined ? changed : changed.slice(whole.size)) subscription.markSent(name, version);
    for (const name of gone) if (!subscription.names.has(name)) subscription.forget(name);
    if (typeUrl === CLUSTER_TYPE) this.#beginWarming(difference.changed);
    return variant === 'sotw'
      ? [encodeSotwResponse(typeUrl, nonce, this.#view.version, resources)]
      : [encodeDeltaResponse(typeUrl, nonce, this.#view.version, resources, gone)];
  }
  #replacesSet(typeUrl: string): boolean {
    return this.#options.variant === 'sotw' && isWholeSetType(typeUrl);
  }
  /** All that a SotW proxy should hold now: the view, and what has left it but must stay a little. */
  #wholeSet(subscription: Subscription): readonly EncodedResource[] {
    const view = this.#view.resources(subscription.typeUrl);
    const held = Array.from(subscription.sent.outside(view)).flatMap(([name, version]) =>
      version === ABSENT ? [] : (subscription.content.get(name) ?? []),
    );
    // The view, which many streams may share, rather than a list of each stream's own.
    if (subscription.wildcard && held.length === 0) subscription.content = view;
    else subscription.content = new ResourceLayer([...resourcesOf(view).filter(({ name }) => subscription.wants(name)), ...held]);
    return resourcesOf(subscription.content);
  }
  /**
   * A cluster that is new or changed warms until its endpoints arrive, even when they are the same as before (Envoy docs,
   * "Cluster warming"), so they become due again.
   */
  #beginWarming(changed: readonly EncodedResource[]): void {
    const endpoints = this.#subscriptions.get(ENDPOINT_TYPE);
    if (endpoints === undefined) return;
    const view = this.#view.resources(ENDPOINT_TYPE);
    for (const { name } of changed) {
      if (!view.has(name)) continue;
      this.#warming.add(name);
      if (endpoints.wants(name)) endpoints.forget(name);
    }
  }
  #endWarming(): void {
    if (this.#warming.size === 0) return;
    const endpoints = this.#subscriptions.get(ENDPOINT_TYPE);
    const clusters = this.#subscriptions.get(CLUSTER_TYPE);
    const view = this.#view.resources(ENDPOINT_TYPE);
    for (const name of this.#warming) {
      const due = view.get(name);
      // That a proxy was told of their absence, or given a placeholder, does not count as endpoints.
      const arrived = due !== undefined && endpoints?.sent.get(name) === due.version && !endpoints.isOnTheWay(name);
      if (arrived || clusters?.sent.has(name) !== true) this.#warming.delete(name);
    }
  }
}

/** What a response contains that sends only what differs. */
function contentOf({ whole, changed }: Difference): ResourceMap {
  return whole !== undefined && changed.length === whole.size ? whole : new ResourceLayer(changed);
}

function isEmpty(difference: Difference): boolean {
  return difference.changed.length === 0 && difference.gone.length === 0;
}

function statusOf(subscription: Subscription): TypeStatus['state'] {
  if (subscription.lastNonce === '') return 'not-sent';
  if (subscription.lastNonce !== subscription.answeredNonce) return 'pending';
  return subscription.lastError === undefined ? 'synced' : 'rejected';
}
