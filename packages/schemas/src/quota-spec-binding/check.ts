import { FindingList, type Findings } from '../findings.ts';
import { checkBinding } from '../mixer/service-reference.ts';
import type { ConfigObject } from '../object.ts';
import type { QuotaSpecBindingSpec } from './spec.ts';

export function checkQuotaSpecBinding({ spec }: ConfigObject<QuotaSpecBindingSpec>): Findings {
  const findings = new FindingList();
  checkBinding(spec.services, spec.quotaSpecs, 'quotaSpecs', findings);
  return findings;
}
