import type { Clock } from './clock.ts';

/** Who is told of a passed deadline; `kind` is the owner's own number for it. */
export interface DeadlineOwner {
  onDeadline(kind: number): void;
}

/** One deadline: made once, armed and cancelled at will. */
export class Deadline {
  readonly owner: DeadlineOwner;
  readonly kind: number;
  atMs = 0;
  queue: DeadlineQueue | undefined = undefined;
  before: Deadline | undefined = undefined;
  after: Deadline | undefined = undefined;

  constructor(owner: DeadlineOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }
  get armed(): boolean {
    return this.queue !== undefined;
  }
  cancel(): void {
    this.queue?.remove(this);
  }
}

/** Deadlines of one duration: those armed later pass later, so that a list in order of arming needs one timer, for its first. */
class DeadlineQueue {
  readonly delayMs: number;
  readonly #clock: Clock;
  readonly #onEmpty: (queue: DeadlineQueue) => void;
  #first: Deadline | undefined = undefined;
  #last: Deadline | undefined = undefined;
  #waiting = false;

  constructor(delayMs: number, clock: Clock, onEmpty: (queue: DeadlineQueue) => void) {
    this.delayMs = delayMs;
    this.#clock = clock;
    this.#onEmpty = onEmpty;
  }
  add(deadline: Deadline, atMs: number): void {
    const last = this.#last;
    // The clock may be read a little earlier for one than for the one before it.
    deadline.atMs = last !== undefined && last.atMs > atMs ? last.atMs : atMs;
    deadline.queue = this;
    deadline.before = last;
    this.#last = deadline;
    if (last === undefined) this.#first = deadline;
    else last.after = deadline;
    if (!this.#waiting) this.#wait(this.delayMs);
  }
  remove(deadline: Deadline): void {
    const { before, after } = deadline;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    deadline.queue = undefined;
    deadline.before = undefined;
    deadline.after = undefined;
  }
  /** A cancelled deadline leaves the timer as it is: the next one to be armed most likely needs it. */
  #wait(delayMs: number): void {
    this.#waiting = true;
    const clock = this.#clock;
    if (clock.setBackgroundTimeout === undefined) clock.setTimeout(() => this.#pass(), delayMs);
    else clock.setBackgroundTimeout(() => this.#pass(), delayMs);
  }
  #pass(): void {
    const nowMs = this.#clock.monotonic();
    for (let first = this.#first; first !== undefined && first.atMs <= nowMs + 0.5; first = this.#first) {
      this.remove(first);
      first.owner.onDeadline(first.kind);
    }
    if (this.#first !== undefined) this.#wait(Math.max(1, this.#first.atMs - nowMs));
    else {
      this.#waiting = false;
      this.#onEmpty(this);
    }
  }
}

/** Deadlines at the price of a few writes: what every request arms and nearly every request cancels. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #queues = new Map<number, DeadlineQueue>();
  readonly #forget = (queue: DeadlineQueue): void => {
    this.#queues.delete(queue.delayMs);
  };

  constructor(clock: Clock) {
    this.#clock = clock;
  }
  /** Calls `deadline.owner.onDeadline` in `delayMs` from `nowMs` (the clock's monotonic time); an armed one is moved. */
  arm(deadline: Deadline, delayMs: number, nowMs: number): void {
    deadline.queue?.remove(deadline);
    let queue = this.#queues.get(delayMs);
    if (queue === undefined) {
      queue = new DeadlineQueue(delayMs, this.#clock, this.#forget);
      this.#queues.set(delayMs, queue);
    }
    queue.add(deadline, nowMs + delayMs);
  }
}

const byClock = new WeakMap<Clock, Deadlines>();

/** The deadlines of a clock: one set for all who share it. */
export function deadlinesOf(clock: Clock): Deadlines {
  let deadlines = byClock.get(clock);
  if (deadlines === undefined) {
    deadlines = new Deadlines(clock);
    byClock.set(clock, deadlines);
  }
  return deadlines;
}
