/** A number that all threads of the process count together. */
export interface SharedCounter {
  /** What all threads have added. */
  readonly value: number;
  add(n: number): void;
}

/** Hands out counters by name: the same name is the same number in every thread. */
export type SharedCounters = (name: string) => SharedCounter;

class LocalCounter implements SharedCounter {
  value = 0;
  add(n: number): void {
    this.value += n;
  }
}

/** For a process that has one thread on its data path. */
export function localCounters(): SharedCounters {
  const counters = new Map<string, LocalCounter>();
  return (name) => {
    const counter = counters.get(name) ?? new LocalCounter();
    counters.set(name, counter);
    return counter;
  };
}
