/** Says what is wrong with one value, or nothing. */
export type ValueCheck = (value: string) => string | undefined;

/** What the first check finds wrong, when no other check accepts the value. */
export function anyOf(...checks: readonly ValueCheck[]): ValueCheck {
  return (value) => {
    const problems = checks.map((check) => check(value));
    return problems.includes(undefined) ? undefined : problems[0];
  };
}
