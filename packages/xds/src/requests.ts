import type { DeltaDiscoveryRequest, DiscoveryRequest } from '@xebec/protos/envoy/service/discovery/v3/discovery';
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

const WILDCARD = '*';

/** The acknowledging half of a request, the same in both variants. */
function acknowledge(subscription: Subscription, nonce: string, error: string | undefined): 'ack' | 'nack' {
  if (error === undefined) {
    subscription.accept(nonce);
    return 'ack';
  }
  subscription.refuse(nonce, error);
  return 'nack';
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

function dropWildcard(subscription: Subscription): void {
  subscription.wildcard = false;
  for (const name of [...subscription.sent.keys()]) if (!subscription.names.has(name)) subscription.forget(name);
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
  if (!first && sameNames(subscription.requested, request.resourceNames)) {
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
  subscription.request(request.resourceNames);
  const wildcard = request.resourceNames.includes(WILDCARD) || (isWholeSetType(request.typeUrl) && request.resourceNames.length === 0);
  const wanted = new Set(request.resourceNames.filter((name) => name !== WILDCARD));
  if (first) {
    subscription.wildcard = wildcard;
    for (const name of wanted) subscription.subscribe(name);
    return { meaning: 'subscribe', answer: 'all', resumed: request.versionInfo !== '' };
  }
  // A type that was asked for by name stays so: an empty list then means that nothing is wanted any more.
  if (request.resourceNames.includes(WILDCARD)) subscription.wildcard = true;
  else if (wanted.size > 0 && subscription.wildcard) dropWildcard(subscription);
  const added = new Set([...wanted].filter((name) => !subscription.names.has(name)));
  for (const name of [...subscription.names]) if (!wanted.has(name)) subscription.unsubscribe(name);
  for (const name of added) subscription.subscribe(name);
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
  for (const name of request.resourceNamesUnsubscribe) {
    if (name === WILDCARD) {
      dropWildcard(subscription);
    } else {
      subscription.unsubscribe(name);
    }
  }
  let wildcardAdded = false;
  for (const name of request.resourceNamesSubscribe) {
    if (name === WILDCARD) {
      wildcardAdded = !subscription.wildcard;
      subscription.wildcard = true;
      continue;
    }
    // Asking again means that the proxy lost it: "the server must resend" (xDS protocol, "Subscribing to resources").
    if (!first) subscription.forget(name);
    subscription.subscribe(name);
    answer.add(name);
  }
  const resumed = Object.keys(request.initialResourceVersions).length > 0;
  if (first || wildcardAdded) return { meaning: 'subscribe', answer: 'all', resumed };
  if (request.responseNonce === '') return { meaning: 'subscribe', answer, resumed: false };
  const error = request.errorDetail?.message;
  if (!subscription.inFlight.has(request.responseNonce)) {
    if (subscription.answerOvertaken(request.responseNonce, error))
      return { meaning: 'nack', ...(error === undefined ? {} : { error }), answer, resumed: false };
    return { meaning: answer.size > 0 ? 'subscribe' : 'stale', answer, resumed: false };
  }
  const meaning = acknowledge(subscription, request.responseNonce, error);
  return { meaning, ...(error === undefined ? {} : { error }), answer, resumed: false };
}
