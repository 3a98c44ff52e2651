import type { DeltaDiscoveryRequest, DiscoveryRequest } from '@xebec/protos/envoy/service/discovery/v3/discovery';
import { NO_NAMES, WILDCARD } from './name-set.ts';
import type { Subscription } from './subscription.ts';
import { isWholeSetType } from './type-url.ts';

/** What a request meant, for logs and metrics. `stale` answers an older response and changes nothing. */
export type RequestMeaning = 'subscribe' | 'ack' | 'nack' | 'stale';

export interface Interpretation {
  readonly meaning: RequestMeaning;
  readonly error?: string;
  /** The names that must be answered now; `all` on the first request of a type. */
  readonly answer: 'all' | ReadonlySet<string>;
  /** The proxy came back with state from an earlier stream. */
  readonly resumed: boolean;
}

/** The acknowledging half of a request, the same in both variants. */
function acknowledge(subscription: Subscription, nonce: string, error: string | undefined): 'ack' | 'nack' {
  if (error === undefined) {
    subscription.accept(nonce);
    return 'ack';
  }
  subscription.refuse(nonce, error);
  return 'nack';
}

function dropWildcard(subscription: Subscription): void {
  const dropped = Array.from(subscription.sent, ([name]) => name).filter((name) => !subscription.names.has(name));
  subscription.wildcard = false;
  for (const name of dropped) subscription.forget(name);
}

/**
 * Applies a state-of-the-world request. The first request of a type on a stream subscribes, whatever nonce and version it
 * brings from an earlier stream. (Envoy docs, xDS protocol, "ACK/NACK and resource type instance version".)
 */
export function applySotwRequest(subscription: Subscription, request: DiscoveryRequest, first: boolean): Interpretation {
  if (!first && request.responseNonce !== subscription.lastNonce) {
    const refused = subscription.answerOvertaken(request.responseNonce, request.errorDetail?.message);
    const error = refused ? request.errorDetail?.message : undefined;
    return { meaning: refused ? 'nack' : 'stale', ...(error === undefined ? {} : { error }), answer: new Set(), resumed: false };
  }
  const requested = subscription.request(request.resourceNames);
  if (!first && requested === undefined) {
    const meaning = subscription.awaits(request.responseNonce)
      ? acknowledge(subscription, request.responseNonce, request.errorDetail?.message)
      : 'subscribe';
    return {
      meaning,
      ...(request.errorDetail === undefined ? {} : { error: request.errorDetail.message }),
      answer: new Set(),
      resumed: false,
    };
  }
  const wanted = requested ?? NO_NAMES;
  if (first) {
    subscription.wildcard = wanted.wildcard || (isWholeSetType(request.typeUrl) && request.resourceNames.length === 0);
    subscription.replaceNames(wanted);
    return { meaning: 'subscribe', answer: 'all', resumed: request.versionInfo !== '' };
  }
  // A type that was asked for by name stays so: an empty list then means that nothing is wanted any more.
  if (wanted.wildcard) subscription.wildcard = true;
  else if (wanted.size > 0 && subscription.wildcard) dropWildcard(subscription);
  const added = new Set(subscription.replaceNames(wanted));
  const meaning = subscription.awaits(request.responseNonce)
    ? acknowledge(subscription, request.responseNonce, request.errorDetail?.message)
    : 'subscribe';
  return {
    meaning,
    ...(request.errorDetail === undefined ? {} : { error: request.errorDetail.message }),
    answer: added,
    resumed: false,
  };
}

/** Applies an incremental request: (un)subscribing and acknowledging are independent of each other. */
export function applyDeltaRequest(subscription: Subscription, request: DeltaDiscoveryRequest, first: boolean): Interpretation {
  const answer = new Set<string>();
  if (first) {
    for (const [name, version] of Object.entries(request.initialResourceVersions)) subscription.adopt(name, version);
    if (isWholeSetType(request.typeUrl) && request.resourceNamesSubscribe.length === 0) subscription.wildcard = true;
  }
  for (const name of request.resourceNamesUnsubscribe) if (name === WILDCARD) dropWildcard(subscription);
  const left = request.resourceNamesUnsubscribe.filter((name) => name !== WILDCARD);
  if (left.length > 0) subscription.unsubscribe(left);
  const wildcardAdded = !subscription.wildcard && request.resourceNamesSubscribe.includes(WILDCARD);
  if (wildcardAdded) subscription.wildcard = true;
  if (first) subscription.subscribe(request.resourceNamesSubscribe);
  else {
    const asked = request.resourceNamesSubscribe.filter((name) => name !== WILDCARD);
    // Asking again means that the proxy lost it: "the server must resend" (xDS protocol, "Subscribing to resources").
    for (const name of asked) subscription.forget(name);
    subscription.subscribe(asked);
    for (const name of asked) answer.add(name);
  }
  const resumed = Object.keys(request.initialResourceVersions).length > 0;
  if (first || wildcardAdded) return { meaning: 'subscribe', answer: 'all', resumed };
  if (request.responseNonce === '') return { meaning: 'subscribe', answer, resumed: false };
  const error = request.errorDetail?.message;
  if (!subscription.isInFlight(request.responseNonce)) {
    if (subscription.answerOvertaken(request.responseNonce, error))
      return { meaning: 'nack', ...(error === undefined ? {} : { error }), answer, resumed: false };
    return { meaning: answer.size > 0 ? 'subscribe' : 'stale', answer, resumed: false };
  }
  const meaning = acknowledge(subscription, request.responseNonce, error);
  return { meaning, ...(error === undefined ? {} : { error }), answer, resumed: false };
}
