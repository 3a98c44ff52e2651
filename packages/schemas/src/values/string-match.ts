import type { StringMatch } from '../fields.ts';
import type { FindingList } from '../findings.ts';
import { checkOneOf } from './one-of.ts';
import { regularExpression } from './regular-expression.ts';

type Path = readonly PropertyKey[];

const WAYS = ['exact', 'prefix', 'regex'] as const;

/** A match of a path, where an empty prefix is every path. */
export function checkPathMatch(match: StringMatch | undefined, path: Path, findings: FindingList): void {
  checkOneOf(match, WAYS, path, findings);
  if (match?.regex !== undefined) findings.refuse([...path, 'regex'], regularExpression(match.regex));
}

export function checkStringMatch(match: StringMatch | undefined, path: Path, findings: FindingList): void {
  checkPathMatch(match, path, findings);
  if (match?.prefix === '')
    findings.error([...path, 'prefix'], 'an empty prefix is refused by proxies; leave the match empty to ask for presence');
}
