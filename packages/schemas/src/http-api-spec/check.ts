import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkOneOf } from '../values/one-of.ts';
import { compiles } from '../values/regular-expression.ts';
import type { AttributeValues, HttpApiSpecSpec } from './spec.ts';

type Path = readonly PropertyKey[];

const PLACES = ['query', 'header', 'cookie'] as const;

export function checkHttpApiSpec({ spec }: ConfigObject<HttpApiSpecSpec>): Findings {
  const findings = new FindingList();
  const { patterns = [], apiKeys = [] } = spec;
  checkAttributes(spec.attributes, ['spec', 'attributes'], findings);
  if (patterns.length === 0) findings.error(['spec', 'patterns'], 'at least one pattern must be specified');
  for (const [index, pattern] of patterns.entries()) {
    const path = ['spec', 'patterns', index];
    checkAttributes(pattern.attributes, [...path, 'attributes'], findings);
    checkOneOf(pattern, ['uriTemplate', 'regex'], path, findings);
    if ((pattern.httpMethod ?? '') === '') findings.error([...path, 'httpMethod'], 'must not be empty');
    if (pattern.uriTemplate === '') findings.error([...path, 'uriTemplate'], 'must not be empty');
    if (pattern.uriTemplate !== undefined && /[{}]/.test(pattern.uriTemplate.replaceAll(/\{[^{}]*\}/g, '')))
      findings.error([...path, 'uriTemplate'], `"${pattern.uriTemplate}" has a brace without its other half`);
    if (pattern.regex === '') findings.error([...path, 'regex'], 'must not be empty');
    else if (pattern.regex !== undefined) findings.refuse([...path, 'regex'], compiles(pattern.regex));
  }
  for (const [index, key] of apiKeys.entries()) {
    const path = ['spec', 'apiKeys', index];
    checkOneOf(key, PLACES, path, findings);
    if (PLACES.every((place) => key[place] === undefined)) findings.error(path, 'one of query, header, cookie must be set');
    for (const place of PLACES) if (key[place] === '') findings.error([...path, place], 'must not be empty');
  }
  return findings;
}

function checkAttributes(values: AttributeValues | undefined, path: Path, findings: FindingList): void {
  for (const [name, value] of Object.entries(values?.attributes ?? {})) {
    const set = Object.keys(value);
    if (set.length !== 1) findings.error([...path, 'attributes', name], 'exactly one value must be set, such as stringValue');
    else if (value.stringValue === '') findings.error([...path, 'attributes', name, 'stringValue'], 'must not be empty');
  }
}
