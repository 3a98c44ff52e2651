import type { Clock } from '@xebec/core';
import type { Blocker } from './proof.ts';
import type { Rotation } from './rotation.ts';

/** What a Citadel says of itself in the state that all of them share. */
export interface ReplicaMark {
  /** Changes as long as it lives; its own clock, milliseconds since the epoch. */
  readonly at: number;
  /** The step of the rotation that it has taken up: from here on it signs and hands out nothing of before. */
  readonly step: string;
}

export type ReplicaMarks = Readonly<Record<string, ReplicaMark>>;

const BEAT_MS = 5_000;
/** Without a word for so long it is gone. Longer than a beat, the time until it is read, and the lease. */
const GONE_MS = 16_000;
/** Who shares the state with others and could not read it for so long signs nothing. */
const LEASE_MS = 8_000;
const FORGOTTEN_MS = 60_000;

/**
 * Other Citadels that sign with the same roots. None of them may be left behind by a rotation: what it signs and hands out is of the
 * step that it knows. So each phase also waits until each has taken it up, and one that cannot read the state for a while stops signing.
 */
export class Replicas {
  readonly #own: string;
  readonly #clock: Clock;
  readonly #seen = new Map<string, { readonly at: number; readonly since: number }>();
  #readAt: number;

  constructor(own: string, clock: Clock) {
    this.#own = own;
    this.#clock = clock;
    this.#readAt = clock.monotonic();
  }
  /** To be called with the marks whenever the state was read or written. */
  read(marks: ReplicaMarks): void {
    const now = this.#clock.monotonic();
    this.#readAt = now;
    for (const [id, { at }] of Object.entries(marks)) {
      if (id !== this.#own && this.#seen.get(id)?.at !== at) this.#seen.set(id, { at, since: now });
    }
    for (const id of this.#seen.keys()) if (marks[id] === undefined) this.#seen.delete(id);
  }
  /** The marks as they are to be written with this step; `leaving`: without the own. */
  marked(marks: ReplicaMarks, rotation: Rotation, leaving: boolean): ReplicaMarks {
    const others = Object.entries(marks).filter(([id]) => id !== this.#own && this.#silentMs(id) < FORGOTTEN_MS);
    const own = leaving ? [] : [[this.#own, { at: this.#clock.now(), step: stepOf(rotation) }] as const];
    return Object.fromEntries([...others, ...own]);
  }
  /** Whether the own mark is to be written again. */
  due(marks: ReplicaMarks, rotation: Rotation): boolean {
    const own = marks[this.#own];
    if (own?.step !== stepOf(rotation)) return true;
    return this.#others(marks).length > 0 && this.#clock.now() - own.at >= BEAT_MS;
  }
  /** Who has not taken up this step. */
  blockers(marks: ReplicaMarks, rotation: Rotation): Blocker[] {
    const step = stepOf(rotation);
    return this.#others(marks)
      .filter((id) => marks[id]?.step !== step)
      .map((id) => ({ id: `citadel ${id}`, reason: 'another Citadel has not taken up this phase yet' }));
  }
  /** Whether others may have gone on without this one. */
  lapsed(marks: ReplicaMarks): boolean {
    return this.#clock.monotonic() - this.#readAt > LEASE_MS && Object.keys(marks).some((id) => id !== this.#own);
  }
  #others(marks: ReplicaMarks): string[] {
    return Object.keys(marks).filter((id) => id !== this.#own && this.#silentMs(id) < GONE_MS);
  }
  #silentMs(id: string): number {
    const seen = this.#seen.get(id);
    return seen === undefined ? 0 : this.#clock.monotonic() - seen.since;
  }
}

function stepOf({ phase, active, bundleVersion }: Rotation): string {
  return `${phase} ${bundleVersion} ${active.slice(0, 16)}`;
}
