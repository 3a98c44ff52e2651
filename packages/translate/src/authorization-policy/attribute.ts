/**
 * What is to become of a value that cannot be told where the policy is enforced, as of a header on plain TCP: an ALLOW rule
 * goes altogether, lest it allow more; of any other action the value goes, so that it denies or marks more.
 */
export type Untellable = 'drop-rule' | 'drop-value';

/** One attribute of a rule: how its values match. `undefined` for a value that cannot be told. */
export interface Attribute<T> {
  readonly values: readonly string[];
  readonly notValues: readonly string[];
  /** All values together, as alternatives. */
  match(values: readonly string[]): T | undefined;
}

/** Alternatives for each value on its own; undefined for one that cannot be told. */
export function eachValue<T>(match: (value: string) => T | undefined, or: (alternatives: T[]) => T, untellable: Untellable) {
  return (values: readonly string[]): T | undefined => {
    const found = values.map(match);
    if (untellable === 'drop-rule' && found.includes(undefined)) return undefined;
    const told = found.filter((alternative) => alternative !== undefined);
    return told.length === 0 ? undefined : or(told);
  };
}

/**
 * What all attributes together ask for: each with one of its values and none of its `notValues`. `undefined`: the rule must
 * go.
 */
export function allOf<T>(attributes: readonly Attribute<T>[], not: (inner: T) => T, untellable: Untellable): T[] | undefined {
  const out: T[] = [];
  for (const { values, notValues, match } of attributes) {
    for (const [list, negate] of [
      [values, false],
      [notValues, true],
    ] as const) {
      if (list.length === 0) continue;
      const matched = match(list);
      if (matched !== undefined) out.push(negate ? not(matched) : matched);
      else if (untellable === 'drop-rule') return undefined;
    }
  }
  return out;
}
