/** Something with output that waits for the end of the batch. */
export interface Flushable {
  flush(): void;
}

const nothing: Flushable = { flush: () => undefined };

let depth = 0;
let batch = 0;
/** The first `count` wait; the rest is room from earlier batches. */
const waiting: Flushable[] = [];
let count = 0;
let scheduled = false;

/** Until the matching `endBatch`, what codecs write is gathered: one event of one socket gives one write to each other socket. */
export function beginBatch(): void {
  if (depth++ === 0) batch++;
}

/** Writes what was gathered since `beginBatch`. */
export function endBatch(): void {
  if (--depth === 0 && count > 0) flushWaiting();
}

/** A number of its own for the batch that runs; 0 when none does. What is true for a moment may be kept for a batch. */
export function currentBatch(): number {
  return depth === 0 ? 0 : batch;
}

/** Calls `flush` at the end of the running batch, or of the running turn when there is none. */
export function flushLater(output: Flushable): void {
  waiting[count++] = output;
  if (depth > 0 || scheduled) return;
  scheduled = true;
  turnEnd.then(afterTurn);
}

// A settled promise is a cheaper way to the end of the turn than queueMicrotask, which makes an async resource.
const turnEnd = Promise.resolve();

function afterTurn(): void {
  scheduled = false;
  if (depth === 0) flushWaiting();
}

function flushWaiting(): void {
  // A flush may make others wait: they are appended.
  for (let i = 0; i < count; i++) {
    const output = waiting[i] as Flushable;
    waiting[i] = nothing;
    output.flush();
  }
  count = 0;
}
