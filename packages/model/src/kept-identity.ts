/**
 * Snapshots make some values anew each time (services of ServiceEntries, endpoints on WorkloadEntries). Where such a value is the same as
 * in the snapshot before, that one's object is taken instead, so that whoever compares by identity sees no change.
 */
const texts = new WeakMap<object, string>();

function textOf(value: object): string {
  let text = texts.get(value);
  if (text === undefined) {
    text = JSON.stringify(value);
    texts.set(value, text);
  }
  return text;
}

/** The value of before, where both hold the same. */
export function kept<T extends object>(before: T | undefined, after: T): T {
  return before !== undefined && before !== after && textOf(before) === textOf(after) ? before : after;
}

/** A list whose members are those of before as far as they hold the same, and the list itself when all do, in the same order. */
export function keptList<T extends object>(before: readonly T[], after: readonly T[]): readonly T[] {
  if (before === after || before.length === 0) return after;
  const known = new Map(before.map((member) => [textOf(member), member]));
  const members = after.map((member) => known.get(textOf(member)) ?? member);
  return members.length === before.length && members.every((member, index) => member === before[index]) ? before : members;
}
