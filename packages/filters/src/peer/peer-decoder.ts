import { decodePeerMetadata, type WorkloadPeer } from './workload-peer.ts';

/** More workloads than these call one proxy rarely; whoever sends values of its own invention only makes it read them again. */
const maxKnown = 1000;
/** A longer value is read each time: kept ones should not add up to much. */
const maxKeptLength = 4096;

/** Reads the header by which peers introduce themselves, each value once: the same peer is the same object. */
export class PeerDecoder {
  readonly #known = new Map<string, WorkloadPeer | undefined>();

  decode(value: string): WorkloadPeer | undefined {
    const known = this.#known.get(value);
    if (known !== undefined || this.#known.has(value)) return known;
    const peer = decodePeerMetadata(value);
    if (value.length > maxKeptLength) return peer;
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(value, peer);
    return peer;
  }
}
