import type { FindingList } from '../findings.ts';

/** Fields of which protobuf lets one be set. */
export function checkOneOf(
  value: Readonly<Record<string, unknown>> | undefined,
  fields: readonly string[],
  path: readonly PropertyKey[],
  findings: FindingList,
): void {
  const set = fields.filter((field) => value?.[field] !== undefined);
  if (set.length > 1) findings.error(path, `only one of ${set.join(', ')} can be set`);
}
