import type { Analyzer, Report } from '../../analyzer.ts';
import { type Fields, integer, record, records, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';

/** IST0130 for rules that no request reaches, IST0131 for matches that earlier ones have taken. */
export const unreachableRules: Analyzer = {
  name: 'schema.ValidationAnalyzer.VirtualService',
  description: "Runs schema validation as an analyzer on 'VirtualService' resources",
  inputs: ['VirtualService'],
  codes: ['IST0130', 'IST0131'],
  analyze(view, report) {
    for (const resource of view.all('VirtualService')) {
      const reachable = checkRules(resource, 'http', report);
      for (const kind of ['tls', 'tcp'] as const) checkRules(resource, kind, report);
      checkPrefixes(resource, reachable, report);
    }
  },
};

/** Returns the paths of the matches that are neither repeated nor behind a rule without match. */
function checkRules(resource: Resource, kind: 'http' | 'tls' | 'tcp', report: Report): ReadonlySet<string> {
  const reachable = new Set<string>();
  const rules = records(resource.spec[kind]);
  const seen = new Map<string, number>();
  let withoutMatch = false;
  for (const [i, rule] of rules.entries()) {
    const unreachable = (reason: string): void => report('IST0130', resource, [ruleName(rule, i), reason], `spec.${kind}[${i}]`);
    const matches = records(rule['match']);
    if (matches.length === 0) {
      if (withoutMatch) unreachable('only the last rule can have no matches');
      withoutMatch = true;
      continue;
    }
    let duplicates = 0;
    for (const [j, match] of matches.entries()) {
      if (withoutMatch) {
        unreachable('route without matches defined before');
        continue;
      }
      const key = canonicalMatch(match);
      const earlier = seen.get(key);
      if (earlier === undefined) {
        seen.set(key, i);
        reachable.add(`spec.${kind}[${i}].match[${j}]`);
        continue;
      }
      duplicates++;
      const values = [ruleName(rule, i), ruleName(match, j), ruleName(rules[earlier] ?? {}, earlier)];
      report('IST0131', resource, values, `spec.${kind}[${i}].match[${j}]`);
    }
    if (duplicates === matches.length) unreachable('all matches used by prior rules');
  }
  return reachable;
}

/** `"name"` where it has one, else `#index`, as istioctl names rules and matches. */
export function ruleName(rule: Fields, index: number): string {
  const name = text(rule['name']);
  return name === '' ? `#${index}` : JSON.stringify(name);
}

function canonicalMatch(match: Fields): string {
  return canonical(Object.fromEntries(Object.entries(match).filter(([key]) => key !== 'name')));
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}

interface PrefixMatch {
  readonly rule: string;
  readonly match: string;
  readonly path: string;
  readonly prefix: string;
  readonly port: number;
  readonly method: string;
  readonly authority: string;
  readonly maps: readonly Readonly<Record<string, string>>[];
}

function checkPrefixes(resource: Resource, reachable: ReadonlySet<string>, report: Report): void {
  const found: PrefixMatch[] = records(resource.spec['http']).flatMap((rule, i) => {
    return records(rule['match']).flatMap((match, j) => {
      const prefix = text(record(match['uri'])['prefix']);
      if (prefix === '' || !reachable.has(`spec.http[${i}].match[${j}]`)) return [];
      return [
        {
          rule: ruleName(rule, i),
          match: ruleName(match, j),
          path: `spec.http[${i}].match[${j}]`,
          prefix,
          port: integer(match['port']),
          method: exactOrPrefix(match['method']) || 'exact:GET',
          authority: exactOrPrefix(match['authority']),
          maps: ['headers', 'queryParams', 'withoutHeaders'].map((field) =>
            Object.fromEntries(Object.entries(record(match[field])).map(([key, value]) => [key, exactOrPrefix(value)])),
          ),
        },
      ];
    });
  });
  for (const [index, earlier] of found.entries()) {
    for (const later of found.slice(index + 1)) {
      if (later.prefix === earlier.prefix || !covers(earlier, later)) continue;
      const values = [
        later.rule,
        `${later.match} of prefix ${later.prefix}`,
        `${earlier.match} of prefix ${earlier.prefix} on ${earlier.rule}`,
      ];
      report('IST0131', resource, values, later.path);
    }
  }
}

function exactOrPrefix(value: unknown): string {
  const match = record(value);
  if (text(match['exact']) !== '') return `exact:${text(match['exact'])}`;
  return text(match['prefix']) === '' ? '' : `prefix:${text(match['prefix'])}`;
}

function covers(a: PrefixMatch, b: PrefixMatch): boolean {
  if (!b.prefix.startsWith(a.prefix) || a.port !== b.port) return false;
  if (!a.method.startsWith(b.method) || !a.authority.startsWith(b.authority)) return false;
  return a.maps.every((map, index) => {
    const other = b.maps[index] ?? {};
    const keys = Object.keys(map);
    return keys.length === Object.keys(other).length && keys.every((key) => key in other && (map[key] ?? '').startsWith(other[key] ?? ''));
  });
}
