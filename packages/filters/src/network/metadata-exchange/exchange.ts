import type { Counter, StatsScope, StreamInfo } from '@xebec/telemetry';
import type { NodeInfo } from '../../http-filter.ts';
import { encodePeerExchange, PeerExchangeReader } from '../../peer/peer-exchange.ts';
import { awaitedPeerKey, type downstreamPeerKey, type upstreamPeerKey } from '../../peer/workload-peer.ts';

/** What all exchanges of a proxy share: its own introduction, and Istio's counters. */
export interface ExchangeParts {
  readonly introduction: Buffer;
  readonly stats: Readonly<Record<'found' | 'notFound' | 'headMissing' | 'unreadable' | 'added', Counter>>;
}

export function exchangeParts(node: NodeInfo, stats: StatsScope): ExchangeParts {
  const counter = (name: string) => stats.counter(`metadata_exchange.${name}`);
  return {
    introduction: encodePeerExchange(node),
    stats: {
      found: counter('alpn_protocol_found'),
      notFound: counter('alpn_protocol_not_found'),
      headMissing: counter('initial_header_not_found'),
      unreadable: counter('header_not_found'),
      added: counter('metadata_added'),
    },
  };
}

/**
 * One connection whose ALPN is that of the exchange: learns who is at the other end and introduces this proxy. It does so before the
 * first bytes that go out, or when the peer has begun to introduce itself; a peer that sends anything else first never gets it.
 */
export class PeerExchange {
  readonly #parts: ExchangeParts;
  readonly #info: StreamInfo;
  readonly #key: typeof downstreamPeerKey | typeof upstreamPeerKey;
  readonly #write: (bytes: Buffer) => void;
  readonly #reader = new PeerExchangeReader();
  #introduced = false;
  #settled = false;

  /** `key`: where the peer is left in the filter state. `write` sends past this exchange. */
  constructor(
    parts: ExchangeParts,
    info: StreamInfo,
    key: typeof downstreamPeerKey | typeof upstreamPeerKey,
    write: (bytes: Buffer) => void,
  ) {
    this.#parts = parts;
    this.#info = info;
    this.#key = key;
    this.#write = write;
    parts.stats.found.add(1);
    info.filterState.set(awaitedPeerKey(key), true);
  }
  /** The application's part of what has come. */
  read(bytes: Buffer, end: boolean): Buffer {
    if (this.#settled) return bytes;
    const reader = this.#reader;
    const rest = reader.read(bytes, end);
    if (reader.state === 'silent') {
      this.#introduced = true;
      this.#parts.stats.headMissing.add(1);
    } else if (reader.state !== 'head') this.introduce();
    if (reader.state === 'silent' || reader.state === 'introduced') this.#settle();
    return rest;
  }
  /** To be called before anything else is written. */
  introduce(): void {
    if (this.#introduced) return;
    this.#introduced = true;
    this.#parts.stats.added.add(1);
    this.#write(this.#parts.introduction);
  }
  #settle(): void {
    this.#settled = true;
    const { state, peer } = this.#reader;
    const { filterState } = this.#info;
    filterState.delete(awaitedPeerKey(this.#key));
    if (peer !== undefined) filterState.set(this.#key, peer);
    else if (state === 'introduced') this.#parts.stats.unreadable.add(1);
  }
}
