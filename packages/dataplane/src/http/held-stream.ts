import type { HeaderList } from '@xebec/wire';

/** What of a stream's one direction waits at a filter that said stop. */
export interface Held {
  /** The filter's place in the chain. */
  readonly at: number;
  /** The head waits too: no later filter has seen it. */
  head: boolean;
  readonly data: Buffer[];
  bytes: number;
  /** The last byte is among what waits. */
  end: boolean;
  trailers: HeaderList | undefined;
}

export function heldAt(all: readonly Held[] | undefined, at: number): Held | undefined {
  if (all === undefined) return undefined;
  for (const held of all) if (held.at === at) return held;
  return undefined;
}

/** Makes the record of a filter that has just said stop. */
export function holdAt(all: Held[], at: number): Held {
  const held: Held = { at, head: false, data: [], bytes: 0, end: false, trailers: undefined };
  all.push(held);
  return held;
}

export function takeHeld(all: Held[] | undefined, held: Held): void {
  const index = all?.indexOf(held) ?? -1;
  if (index !== -1) all?.splice(index, 1);
}
