import { FindingList, type Findings } from '../findings.ts';
import { checkBinding } from '../mixer/service-reference.ts';
import type { ConfigObject } from '../object.ts';
import type { HttpApiSpecBindingSpec } from './spec.ts';

export function checkHttpApiSpecBinding({ spec }: ConfigObject<HttpApiSpecBindingSpec>): Findings {
  const findings = new FindingList();
  checkBinding(spec.services, spec.apiSpecs, 'apiSpecs', findings);
  return findings;
}
