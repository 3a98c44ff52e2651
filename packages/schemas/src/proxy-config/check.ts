import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkSelector } from '../policy-scope.ts';
import type { ProxyConfigSpec } from './spec.ts';

export function checkProxyConfig({ spec }: ConfigObject<ProxyConfigSpec>): Findings {
  const findings = new FindingList();
  checkSelector(spec.selector, findings);
  return findings;
}
