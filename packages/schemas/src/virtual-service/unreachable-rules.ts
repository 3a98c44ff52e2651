import type { FindingList } from '../findings.ts';
import type { HttpMatch, VirtualServiceSpec } from './spec.ts';

interface Rule {
  readonly match?: readonly object[] | undefined;
}

/** Rules and matches that a rule before them has taken everything from. */
export function checkReachable(spec: VirtualServiceSpec, findings: FindingList): void {
  for (const field of ['http', 'tcp', 'tls'] as const) checkRules(spec[field] ?? [], field, findings);
  checkPrefixes(spec, findings);
}

function checkRules(rules: readonly Rule[], field: string, findings: FindingList): void {
  const seen = new Map<string, number>();
  let all: number | undefined;
  for (const [index, { match = [] }] of rules.entries()) {
    const path = ['spec', field, index];
    if (match.length === 0) {
      if (all !== undefined)
        findings.warning(path, `is never reached: ${field}[${all}] takes everything; only the last rule can be without matches`, 'IST0130');
      all = index;
      continue;
    }
    if (all !== undefined) {
      findings.warning(path, `is never reached: ${field}[${all}], which has no matches, takes everything`, 'IST0130');
      continue;
    }
    let repeated = 0;
    for (const [number, entry] of match.entries()) {
      const key = keyOf(entry);
      const earlier = seen.get(key);
      if (earlier === undefined) seen.set(key, index);
      else {
        findings.warning([...path, 'match', number], `has no effect: ${field}[${earlier}] has the same match`, 'IST0131');
        repeated++;
      }
    }
    if (repeated === match.length) findings.warning(path, 'is never reached: rules before it have all of its matches', 'IST0130');
  }
}

/** The match without its name, fields in one order. */
function keyOf(match: object): string {
  return JSON.stringify(match, (key, value: unknown) => {
    if (key === 'name' && value === ('name' in match ? match.name : undefined)) return undefined;
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

interface PrefixRule {
  readonly path: readonly PropertyKey[];
  readonly prefix: string;
  readonly match: HttpMatch;
}

/** A longer prefix after a shorter one that takes the same requests otherwise. */
function checkPrefixes(spec: VirtualServiceSpec, findings: FindingList): void {
  const rules: PrefixRule[] = (spec.http ?? []).flatMap(({ match = [] }, index) =>
    match.flatMap((entry, number) => {
      const prefix = entry.uri?.prefix ?? '';
      return prefix === '' ? [] : [{ path: ['spec', 'http', index, 'match', number], prefix, match: entry }];
    }),
  );
  for (const [index, later] of rules.entries()) {
    const earlier = rules.slice(0, index).find((rule) => rule.prefix !== later.prefix && takes(rule, later));
    if (earlier !== undefined)
      findings.warning(
        later.path,
        `has no effect: prefix "${later.prefix}" is taken by "${earlier.prefix}" of http[${String(earlier.path[2])}]`,
        'IST0131',
      );
  }
}

type Conditions = HttpMatch['headers'];

function takes(earlier: PrefixRule, later: PrefixRule): boolean {
  const [a, b] = [earlier.match, later.match];
  return (
    later.prefix.startsWith(earlier.prefix) &&
    (a.port ?? 0) === (b.port ?? 0) &&
    (conditionOf(a.method) || 'exact:GET').startsWith(conditionOf(b.method) || 'exact:GET') &&
    conditionOf(a.authority).startsWith(conditionOf(b.authority)) &&
    areTaken(a.headers, b.headers) &&
    areTaken(a.queryParams, b.queryParams) &&
    areTaken(a.withoutHeaders, b.withoutHeaders)
  );
}

function areTaken(a: Conditions = {}, b: Conditions = {}): boolean {
  const entries = Object.entries(a);
  if (entries.length !== Object.keys(b).length) return false;
  return entries.every(([name, match]) => b[name] !== undefined && conditionOf(match).startsWith(conditionOf(b[name])));
}

function conditionOf(match: HttpMatch['uri']): string {
  if ((match?.exact ?? '') !== '') return `exact:${match?.exact}`;
  return (match?.prefix ?? '') === '' ? '' : `prefix:${match?.prefix}`;
}
