import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { ipAddress, isAddress, UNIX_PREFIX, unixPath } from '../values/addresses.ts';
import { checkLabels } from '../values/labels.ts';
import { dnsLabel, domainName } from '../values/names.ts';
import type { WorkloadEntrySpec } from './spec.ts';

type Path = readonly PropertyKey[];

export function checkWorkloadEntry({ spec }: ConfigObject<WorkloadEntrySpec>): Findings {
  const findings = new FindingList();
  checkWorkload(spec, { servicePorts: undefined, mayBeName: true }, ['spec'], findings);
  return findings;
}

interface WorkloadRules {
  /** Names of the ports of the ServiceEntry that the workload is an endpoint of. */
  readonly servicePorts: ReadonlySet<string> | undefined;
  readonly mayBeName: boolean;
}

export function checkWorkload(workload: WorkloadEntrySpec, rules: WorkloadRules, path: Path, findings: FindingList): void {
  const { address = '', network = '' } = workload;
  if (address === '' && network === '') {
    findings.error([...path, 'address'], 'must be set');
    return;
  }
  if (address === '') findings.warning([...path, 'address'], `is not set: the gateways of network "${network}" are called instead`);
  const isSocket = address.startsWith(UNIX_PREFIX);
  if (isSocket) {
    findings.refuse([...path, 'address'], unixPath(address.slice(UNIX_PREFIX.length)));
    if (Object.keys(workload.ports ?? {}).length > 0) findings.error([...path, 'ports'], 'a Unix socket has no ports');
    if (rules.servicePorts !== undefined && rules.servicePorts.size !== 1)
      findings.error([...path, 'address'], 'a Unix socket needs a ServiceEntry with exactly one port');
  } else if (address !== '' && !isAddress(address)) {
    const problem = rules.mayBeName ? domainName(address) : ipAddress(address);
    if (problem !== undefined)
      findings.error([...path, 'address'], rules.mayBeName ? `"${address}" is neither a host name nor an IP address` : problem);
  }
  checkWorkloadPorts(workload.ports, rules.servicePorts, [...path, 'ports'], findings);
  checkLabels(workload.labels, [...path, 'labels'], findings);
}

export function checkWorkloadPorts(
  ports: WorkloadEntrySpec['ports'],
  servicePorts: ReadonlySet<string> | undefined,
  path: Path,
  findings: FindingList,
): void {
  for (const name of Object.keys(ports ?? {})) {
    if (servicePorts !== undefined && !servicePorts.has(name)) findings.error([...path, name], `the ServiceEntry has no port "${name}"`);
    findings.refuse([...path, name], dnsLabel(name));
  }
}
