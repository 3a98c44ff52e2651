import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { probeHeader } from '../values/header-names.ts';
import { checkLabels } from '../values/labels.ts';
import { checkOneOf } from '../values/one-of.ts';
import type { WorkloadGroupSpec } from './spec.ts';

const COUNTS = ['periodSeconds', 'initialDelaySeconds', 'timeoutSeconds', 'successThreshold', 'failureThreshold'] as const;
const METHODS = ['httpGet', 'tcpSocket', 'exec'] as const;

export function checkWorkloadGroup({ spec }: ConfigObject<WorkloadGroupSpec>): Findings {
  const findings = new FindingList();
  checkLabels(spec.metadata?.labels, ['spec', 'metadata', 'labels'], findings);
  if (spec.probe !== undefined) checkProbe(spec.probe, ['spec', 'probe'], findings);
  return findings;
}

function checkProbe(probe: NonNullable<WorkloadGroupSpec['probe']>, path: readonly PropertyKey[], findings: FindingList): void {
  for (const field of COUNTS) if ((probe[field] ?? 0) < 0) findings.error([...path, field], `${probe[field]} is negative`);
  checkOneOf(probe, [...METHODS, 'grpc'], path, findings);
  if (METHODS.every((method) => probe[method] === undefined)) findings.error(path, `needs one of ${METHODS.join(', ')}`);
  const { scheme = '', httpHeaders = [] } = probe.httpGet ?? {};
  if (!['', 'HTTP', 'HTTPS'].includes(scheme)) findings.error([...path, 'httpGet', 'scheme'], `"${scheme}" is neither HTTP nor HTTPS`);
  for (const [index, { name }] of httpHeaders.entries())
    findings.refuse([...path, 'httpGet', 'httpHeaders', index, 'name'], probeHeader(name));
  if (probe.exec?.command.length === 0) findings.error([...path, 'exec', 'command'], 'must not be empty');
}
