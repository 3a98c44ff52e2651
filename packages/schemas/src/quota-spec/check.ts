import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkOneOf } from '../values/one-of.ts';
import { compiles } from '../values/regular-expression.ts';
import type { QuotaSpecSpec } from './spec.ts';

export function checkQuotaSpec({ spec }: ConfigObject<QuotaSpecSpec>): Findings {
  const findings = new FindingList();
  const { rules = [] } = spec;
  if (rules.length === 0) findings.error(['spec', 'rules'], 'at least one rule must be specified');
  for (const [index, { match = [], quotas = [] }] of rules.entries()) {
    const path = ['spec', 'rules', index];
    for (const [at, { clause = {} }] of match.entries()) {
      for (const [attribute, value] of Object.entries(clause)) {
        const field = [...path, 'match', at, 'clause', attribute];
        checkOneOf(value, ['exact', 'prefix', 'regex'], field, findings);
        for (const [way, text] of Object.entries(value)) if (text === '') findings.error([...field, way], 'must not be empty');
        if (value.regex !== undefined && value.regex !== '') findings.refuse([...field, 'regex'], compiles(value.regex));
      }
    }
    if (quotas.length === 0) findings.error([...path, 'quotas'], 'at least one quota must be specified');
    for (const [at, { quota = '', charge = 0 }] of quotas.entries()) {
      if (quota === '') findings.error([...path, 'quotas', at, 'quota'], 'must not be empty');
      if (charge <= 0) findings.error([...path, 'quotas', at, 'charge'], 'must be positive');
    }
  }
  return findings;
}
