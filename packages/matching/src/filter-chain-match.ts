import type { CidrRange } from '@xebec/protos/envoy/config/core/v3/address';
import {
  type FilterChainMatch,
  FilterChainMatch_ConnectionSourceType as SourceType,
} from '@xebec/protos/envoy/config/listener/v3/listener_components';
import { type AddressPredicate, compileCidr } from './cidr.ts';

/** What is known of a connection when its chain is chosen. */
export interface ConnectionTraits {
  readonly destinationAddress: string;
  readonly destinationPort: number;
  readonly sourceAddress: string;
  readonly directSourceAddress: string;
  readonly sourcePort: number;
  /** Lower case; empty without SNI. */
  readonly serverName: string;
  readonly transportProtocol: 'tls' | 'raw_buffer';
  readonly applicationProtocols: readonly string[];
}

interface Range {
  readonly holds: AddressPredicate;
  readonly length: number;
}

interface Candidate<T> {
  readonly value: T;
  readonly match: FilterChainMatch | undefined;
  readonly destinations: readonly Range[];
  readonly directSources: readonly Range[];
  readonly sources: readonly Range[];
}

/** How well a candidate fits one criterion: -1 not at all, 0 when it does not say, more for a closer match. */
type Score<T> = (candidate: Candidate<T>, traits: ConnectionTraits) => number;

interface Criterion<T> {
  readonly name: string;
  readonly score: Score<T>;
}

/** A chain that was not chosen, and the criterion that ruled it out. */
export interface PassedOverChain<T> {
  readonly value: T;
  readonly criterion: string;
  /** It did not fit at all; otherwise another fitted more closely. */
  readonly misfit: boolean;
}

export interface FilterChainExplanation<T> {
  readonly chosen: T | undefined;
  /** No chain fitted, and the listener has a default one. */
  readonly byDefault: boolean;
  readonly passedOver: readonly PassedOverChain<T>[];
}

/**
 * Chooses a filter chain as Envoy does (FilterChainMatch docs): criterion after criterion, each keeps only the chains that fit it
 * best, without going back.
 */
export class FilterChainMatcher<T> {
  readonly #candidates: readonly Candidate<T>[];
  readonly #fallback: T | undefined;
  readonly #only: T | undefined;

  constructor(chains: readonly { readonly match: FilterChainMatch | undefined; readonly value: T }[], fallback: T | undefined) {
    this.#candidates = chains.map(({ match, value }) => ({
      value,
      match,
      destinations: ranges(match?.prefixRanges),
      directSources: ranges(match?.directSourcePrefixRanges),
      sources: ranges(match?.sourcePrefixRanges),
    }));
    const [only] = this.#candidates;
    this.#only = this.#candidates.length === 1 && only !== undefined && isEmpty(only.match) ? only.value : undefined;
    this.#fallback = fallback;
  }
  find(traits: ConnectionTraits): T | undefined {
    if (this.#only !== undefined) return this.#only;
    let left = this.#candidates;
    for (const { score } of criteria) {
      if (left.length === 0) break;
      left = bestFit(left, score, traits);
    }
    return left[0]?.value ?? this.#fallback;
  }
  /** The same decision with its reasons. */
  explain(traits: ConnectionTraits): FilterChainExplanation<T> {
    const passedOver: PassedOverChain<T>[] = [];
    let left = this.#candidates;
    for (const { name, score } of criteria) {
      const kept = bestFit(left, score, traits);
      for (const candidate of left) {
        if (kept.includes(candidate)) continue;
        passedOver.push({ value: candidate.value, criterion: name, misfit: score(candidate, traits) < 0 });
      }
      left = kept;
    }
    const [first, ...others] = left;
    // Listeners with equal matches are refused before they get here; in a matcher made by hand the first one wins.
    for (const { value } of others) passedOver.push({ value, criterion: 'order', misfit: false });
    return { chosen: first === undefined ? this.#fallback : first.value, byDefault: first === undefined, passedOver };
  }
}

/** The candidates that fit a criterion best; none when none fits. */
function bestFit<T>(candidates: readonly Candidate<T>[], score: Score<unknown>, traits: ConnectionTraits): readonly Candidate<T>[] {
  let best = -1;
  let kept: Candidate<T>[] = [];
  for (const candidate of candidates) {
    const value = score(candidate, traits);
    if (value < 0 || value < best) continue;
    if (value > best) {
      best = value;
      kept = [];
    }
    kept.push(candidate);
  }
  return kept;
}

const criteria: readonly Criterion<unknown>[] = [
  { name: 'destination port', score: ({ match }, traits) => exact(match?.destinationPort, traits.destinationPort) },
  { name: 'destination address', score: ({ destinations }, traits) => longest(destinations, traits.destinationAddress) },
  { name: 'server name', score: ({ match }, traits) => serverName(match?.serverNames ?? [], traits.serverName) },
  {
    name: 'transport protocol',
    score: ({ match }, traits) => exact(match?.transportProtocol === '' ? undefined : match?.transportProtocol, traits.transportProtocol),
  },
  {
    name: 'application protocol',
    score: ({ match }, traits) => {
      const wanted = match?.applicationProtocols ?? [];
      if (wanted.length === 0) return 0;
      return traits.applicationProtocols.some((protocol) => wanted.includes(protocol)) ? 1 : -1;
    },
  },
  { name: 'direct source address', score: ({ directSources }, traits) => longest(directSources, traits.directSourceAddress) },
  { name: 'source type', score: ({ match }, traits) => sourceType(match?.sourceType ?? SourceType.ANY, traits) },
  { name: 'source address', score: ({ sources }, traits) => longest(sources, traits.sourceAddress) },
  {
    name: 'source port',
    score: ({ match }, traits) => {
      const ports = match?.sourcePorts ?? [];
      return ports.length === 0 ? 0 : ports.includes(traits.sourcePort) ? 1 : -1;
    },
  },
];

function isEmpty(match: FilterChainMatch | undefined): boolean {
  if (match === undefined) return true;
  const lists = [
    match.prefixRanges,
    match.directSourcePrefixRanges,
    match.sourcePrefixRanges,
    match.sourcePorts,
    match.serverNames,
    match.applicationProtocols,
  ];
  return (
    match.destinationPort === undefined &&
    match.transportProtocol === '' &&
    match.sourceType === SourceType.ANY &&
    lists.every((list) => list.length === 0)
  );
}

function ranges(list: readonly CidrRange[] | undefined): Range[] {
  return (list ?? []).map((range) => ({ holds: compileCidr(range), length: range.prefixLen ?? 0 }));
}

function exact<V>(wanted: V | undefined, actual: V): number {
  if (wanted === undefined) return 0;
  return wanted === actual ? 1 : -1;
}

function longest(list: readonly Range[], address: string): number {
  if (list.length === 0) return 0;
  let best = -1;
  for (const range of list) if (range.length >= best && range.holds(address)) best = range.length + 1;
  return best;
}

/** Exact names beat wildcards, longer wildcards beat shorter ones. */
function serverName(names: readonly string[], actual: string): number {
  if (names.length === 0) return 0;
  let best = -1;
  for (const name of names) {
    if (name === actual && actual !== '') return 1_000_000;
    if (name === '*') best = Math.max(best, 0);
    else if (name.startsWith('*.') && actual.length > name.length - 1 && actual.endsWith(name.slice(1))) best = Math.max(best, name.length);
  }
  return best;
}

function sourceType(type: SourceType, traits: ConnectionTraits): number {
  if (type === SourceType.ANY) return 0;
  const local =
    traits.sourceAddress === '127.0.0.1' || traits.sourceAddress === '::1' || traits.sourceAddress === traits.destinationAddress;
  return (type === SourceType.SAME_IP_OR_LOOPBACK) === local ? 1 : -1;
}
