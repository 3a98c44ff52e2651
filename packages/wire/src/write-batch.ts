/** Something with output that waits for the end of the batch. */
export interface Flushable {
  flush(): void;
}

let depth = 0;
let waiting: Flushable[] = [];
let spare: Flushable[] = [];
let scheduled = false;

/** Until the matching `endBatch`, what codecs write is gathered: one event of one socket gives one write to each other socket. */
export function beginBatch(): void {
  depth++;
}

/** Writes what was gathered since `beginBatch`. */
export function endBatch(): void {
  if (--depth === 0 && waiting.length > 0) flushWaiting();
}

/** Calls `flush` at the end of the running batch, or of the running turn when there is none. */
export function flushLater(output: Flushable): void {
  waiting.push(output);
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
  while (waiting.length > 0) {
    const outputs = waiting;
    waiting = spare;
    for (let i = 0; i < outputs.length; i++) (outputs[i] as Flushable).flush();
    outputs.length = 0;
    spare = outputs;
  }
}
