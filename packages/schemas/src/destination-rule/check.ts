import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkTrafficPolicy } from '../traffic-policy/traffic-policy.ts';
import { checkExportTo } from '../values/export-to.ts';
import { checkLabelSelector, checkLabels } from '../values/labels.ts';
import { dnsLabel, wildcardDomain } from '../values/names.ts';
import type { DestinationRuleSpec } from './spec.ts';

export function checkDestinationRule({ metadata, spec }: ConfigObject<DestinationRuleSpec>): Findings {
  const findings = new FindingList();
  const { namespace } = metadata;
  findings.refuse(['spec', 'host'], wildcardDomain(spec.host));
  checkTrafficPolicy(spec.trafficPolicy, namespace, ['spec', 'trafficPolicy'], findings);
  const names = new Set<string>();
  for (const [index, subset] of (spec.subsets ?? []).entries()) {
    const path = ['spec', 'subsets', index];
    if (names.has(subset.name)) findings.error([...path, 'name'], `"${subset.name}" stands twice`);
    names.add(subset.name);
    findings.refuse([...path, 'name'], dnsLabel(subset.name));
    checkLabels(subset.labels, [...path, 'labels'], findings);
    checkTrafficPolicy(subset.trafficPolicy, namespace, [...path, 'trafficPolicy'], findings);
  }
  const chosen = spec.workloadSelector !== undefined;
  checkExportTo(spec.exportTo, namespace, { mayHide: false, ownNamespaceOnly: chosen }, findings);
  if (chosen) checkLabelSelector(spec.workloadSelector?.matchLabels, ['spec', 'workloadSelector', 'matchLabels'], findings);
  return findings;
}
