import { type Fields, records, stringMap, text, texts } from './fields.ts';

export type Labels = Readonly<Record<string, string>>;

/** Whether all pairs of a selector are among the labels; an empty selector takes everything. */
export function selects(selector: Labels, labels: Labels): boolean {
  for (const key in selector) if (labels[key] !== selector[key]) return false;
  return true;
}

/** `app=reviews,version=v1`, keys in order. */
export function selectorText(selector: Labels): string {
  return Object.keys(selector)
    .sort()
    .map((key) => `${key}=${selector[key] ?? ''}`)
    .join(',');
}

export function firstLabel(selector: Labels): string {
  return Object.keys(selector).sort()[0] ?? '';
}

/** A Kubernetes LabelSelector, expressions included; none at all takes everything, one that is not valid takes nothing. */
export function labelSelectorMatches(selector: Fields | undefined, labels: Labels): boolean {
  if (selector === undefined) return true;
  if (!selects(stringMap(selector['matchLabels']), labels)) return false;
  return records(selector['matchExpressions']).every((expression) => {
    const key = text(expression['key']);
    const values = texts(expression['values']);
    const value = labels[key];
    switch (text(expression['operator'])) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });
}
