import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkDryRun, checkSelector } from '../policy-scope.ts';
import type { PeerAuthenticationSpec } from './spec.ts';

/** Modes of ports are of workloads: what names none cannot have them. */
export function checkPeerAuthentication({ metadata, spec }: ConfigObject<PeerAuthenticationSpec>): Findings {
  const findings = new FindingList();
  checkDryRun(metadata, undefined, findings);
  checkSelector(spec.selector, findings);
  if (spec.portLevelMtls === undefined) return findings;
  const path = ['spec', 'portLevelMtls'];
  const ports = Object.keys(spec.portLevelMtls);
  if (ports.length === 0) findings.error(path, 'must name at least one port; leave it out otherwise');
  else if (Object.keys(spec.selector?.matchLabels ?? {}).length === 0)
    findings.error(path, 'needs spec.selector: ports are of workloads, not of a namespace or the mesh');
  for (const port of ports)
    if (Number(port) < 1 || Number(port) > 65535)
      findings.error([...path, port], `"${port}" is not a port: write a number from 1 to 65535`);
  return findings;
}
