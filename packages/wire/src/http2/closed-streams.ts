/** How a stream that is no longer open has ended. */
export type Ended = 'by-us' | 'otherwise' | 'unknown';

const kept = 256;

/**
 * The last streams that ended, in a ring: RFC 9113 section 5.1 treats frames that come late differently from frames on streams that
 * were never open, and ignores those that crossed a reset of ours.
 */
export class ClosedStreams {
  /** Ids; negative when this side reset the stream. It grows to its size, because most connections see few streams. */
  #ring: number[] | undefined;
  #next = 0;

  note(id: number, byUs: boolean): void {
    this.#ring ??= [];
    const ring = this.#ring;
    // A stream that was reset ends right after.
    if (!byUs && ring[(this.#next === 0 ? ring.length : this.#next) - 1] === -id) return;
    ring[this.#next] = byUs ? -id : id;
    this.#next = (this.#next + 1) % kept;
  }
  find(id: number): Ended {
    const ring = this.#ring;
    if (ring === undefined) return 'unknown';
    if (ring.includes(-id)) return 'by-us';
    return ring.includes(id) ? 'otherwise' : 'unknown';
  }
}
