export type Labels = Readonly<Record<string, string>>;

/** Whether every label of the selector stands on the workload; an empty selector selects everything. */
export function selects(selector: Labels | undefined, labels: Labels): boolean {
  if (selector === undefined) return true;
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

/** Whether a selector names any label at all: without one, a policy speaks for its whole namespace. */
export function isNarrow(selector: Labels | undefined): selector is Labels {
  return selector !== undefined && Object.keys(selector).length > 0;
}
