import type { Analyzer, Report } from '../../analyzer.ts';
import { type Fields, given, record, records, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';
import { ruleName } from '../virtual-service/unreachable.ts';

/** Fields of a match that say nothing about the request. */
const NO_CONDITIONS: ReadonlySet<string> = new Set(['name', 'statPrefix', 'ignoreUriCase']);
const STRING_FIELDS = ['uri', 'scheme', 'method', 'authority'] as const;
const MAP_FIELDS = ['headers', 'queryParams'] as const;

interface SeenMatch {
  readonly match: Fields;
  readonly rule: string;
  readonly name: string;
}

/** XB0003 for a rule that takes everything before others; XB0002 for a match that an earlier, wider one covers. */
export const shadowedMatches: Analyzer = {
  name: 'xebec.ShadowedMatchAnalyzer',
  description: 'Finds matches and rules of VirtualServices that earlier ones shadow',
  inputs: ['VirtualService'],
  codes: ['XB0002', 'XB0003'],
  analyze(view, report) {
    for (const resource of view.all('VirtualService')) checkRules(resource, report);
  },
};

function checkRules(resource: Resource, report: Report): void {
  const rules = records(resource.spec['http']);
  const catchAll = rules.findIndex(takesEverything);
  if (catchAll >= 0 && catchAll < rules.length - 1) {
    const behind = rules.length - 1 - catchAll;
    report('XB0003', resource, [ruleName(rules[catchAll] ?? {}, catchAll), behind], `spec.http[${catchAll}]`);
  }
  // What stands behind a rule that takes everything has been said.
  const reachable = catchAll < 0 ? rules : rules.slice(0, catchAll + 1);
  const seen: SeenMatch[] = [];
  for (const [i, rule] of reachable.entries()) {
    const rulename = ruleName(rule, i);
    for (const [j, match] of records(rule['match']).entries()) {
      const name = ruleName(match, j);
      const earlier = seen.find((other) => coversMatch(other.match, match));
      if (earlier !== undefined && !knownToIstio(earlier.match, match))
        report('XB0002', resource, [name, rulename, earlier.name, earlier.rule], `spec.http[${i}].match[${j}]`);
      seen.push({ match, rule: rulename, name });
    }
  }
}

function takesEverything(rule: Fields): boolean {
  const matches = records(rule['match']);
  return matches.length === 0 || matches.some((match) => Object.keys(conditionsOf(match)).length === 0);
}

/** The conditions of a match without those that every request meets. */
function conditionsOf(match: Fields): Fields {
  return Object.fromEntries(
    Object.entries(match).filter(([key, value]) => {
      if (NO_CONDITIONS.has(key)) return false;
      if (key === 'uri' && text(record(value)['prefix']) === '/') return false;
      return !(given(value) !== undefined && Object.keys(record(value)).length === 0) && !(Array.isArray(value) && value.length === 0);
    }),
  );
}

/** Whether every request that meets `narrow` meets `wide`. Says no where it cannot tell. */
function coversMatch(wide: Fields, narrow: Fields): boolean {
  if (wide['ignoreUriCase'] !== narrow['ignoreUriCase'] && wide['ignoreUriCase'] !== true) return false;
  const narrowed = conditionsOf(narrow);
  return Object.entries(conditionsOf(wide)).every(([key, value]) => {
    const other = narrowed[key];
    if (other === undefined) return false;
    if (STRING_FIELDS.some((field) => field === key)) return coversString(record(value), record(other));
    if (MAP_FIELDS.some((field) => field === key))
      return Object.entries(record(value)).every(([name, condition]) => {
        const counterpart = record(other)[name];
        return counterpart !== undefined && coversString(record(condition), record(counterpart));
      });
    return JSON.stringify(value) === JSON.stringify(other);
  });
}

function coversString(wide: Fields, narrow: Fields): boolean {
  if (Object.keys(wide).length === 0) return true;
  const prefix = text(wide['prefix']);
  if (prefix !== '') return text(narrow['prefix']).startsWith(prefix) || text(narrow['exact']).startsWith(prefix);
  return JSON.stringify(wide) === JSON.stringify(narrow);
}

/** IST0131 speaks of equal matches, and of prefixes under prefixes where all else is the same. */
function knownToIstio(wide: Fields, narrow: Fields): boolean {
  const without = (match: Fields, ...fields: readonly string[]): string =>
    JSON.stringify(
      Object.entries(match)
        .filter(([key]) => key !== 'name' && !fields.includes(key))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  if (without(wide) === without(narrow)) return true;
  const bothPrefixes = text(record(wide['uri'])['prefix']) !== '' && text(record(narrow['uri'])['prefix']) !== '';
  return bothPrefixes && without(wide, 'uri') === without(narrow, 'uri');
}
