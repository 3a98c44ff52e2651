import { at, type KubeObject, textAt } from './object.ts';
import { badRequest } from './status.ts';

type Matcher = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = /^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$/;
const MAX_SELECTOR = 16 * 1024;

/** Compiles a label selector such as `app=x,tier in (a,b),!canary`. Throws a 400 on bad syntax. */
export function parseLabelSelector(text: string): Matcher {
  if (text.length > MAX_SELECTOR) throw badRequest('labelSelector is too long');
  const matchers = splitTerms(text).map(parseTerm);
  return (labels) => matchers.every((matches) => matches(labels));
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const char = text[i];
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (i === text.length || (char === ',' && depth === 0)) {
      const term = text.slice(start, i).trim();
      if (term !== '') terms.push(term);
      start = i + 1;
    }
  }
  return terms;
}

function parseTerm(term: string): Matcher {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term);
  if (set !== null) {
    const key = checkedKey(set[1] ?? '', term);
    const values = new Set((set[3] ?? '').split(',').map((value) => value.trim()));
    const wanted = set[2] === 'in';
    return (labels) => {
      const value = labels[key];
      return wanted ? value !== undefined && values.has(value) : value === undefined || !values.has(value);
    };
  }
  const equality = /^([^=!<>\s]+)\s*(==|=|!=)\s*(\S*)$/.exec(term);
  if (equality !== null) {
    const key = checkedKey(equality[1] ?? '', term);
    const value = equality[3] ?? '';
    return equality[2] === '!=' ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  if (term.startsWith('!')) {
    const key = checkedKey(term.slice(1).trim(), term);
    return (labels) => labels[key] === undefined;
  }
  const key = checkedKey(term, term);
  return (labels) => labels[key] !== undefined;
}

function checkedKey(key: string, term: string): string {
  if (!KEY.test(key)) throw badRequest(`unable to parse requirement: found '${term}', expected a label key`);
  return key;
}

/** Matches a `metav1.LabelSelector`: every matchLabels pair and every expression. An empty selector matches all. */
export function matchesLabelSelector(selector: unknown, labels: Readonly<Record<string, string>>): boolean {
  const pairs = at(selector, 'matchLabels');
  if (typeof pairs === 'object' && pairs !== null) {
    for (const [key, value] of Object.entries(pairs)) if (labels[key] !== value) return false;
  }
  const expressions = at(selector, 'matchExpressions');
  if (!Array.isArray(expressions)) return true;
  return expressions.every((expression: unknown) => {
    const value = labels[textAt(expression, 'key')];
    const values = at(expression, 'values');
    const listed = Array.isArray(values) && value !== undefined && values.includes(value);
    switch (textAt(expression, 'operator')) {
      case 'In':
        return listed;
      case 'NotIn':
        return !listed;
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });
}

/** The text form of a LabelSelector, as the scale subresource gives it. */
export function labelSelectorText(selector: unknown): string {
  const pairs = at(selector, 'matchLabels');
  const terms = typeof pairs === 'object' && pairs !== null ? Object.entries(pairs).map(([key, value]) => `${key}=${value}`) : [];
  return terms.sort().join(',');
}

/** Compiles a field selector: `metadata.name=a,spec.nodeName!=b`. Any scalar field of the object can be named. */
export function parseFieldSelector(text: string): (object: KubeObject) => boolean {
  if (text.length > MAX_SELECTOR) throw badRequest('fieldSelector is too long');
  const terms = text
    .split(',')
    .map((term) => term.trim())
    .filter((term) => term !== '')
    .map((term) => {
      const match = /^([A-Za-z0-9.]+)(==|=|!=)(.*)$/.exec(term);
      if (match === null) throw badRequest(`invalid field selector "${term}": want field=value`);
      return { path: (match[1] ?? '').split('.'), equal: match[2] !== '!=', value: match[3] ?? '' };
    });
  return (object) =>
    terms.every(({ path, equal, value }) => {
      const found = at(object, ...path);
      const text = typeof found === 'object' || found === undefined ? '' : String(found);
      return (text === value) === equal;
    });
}
