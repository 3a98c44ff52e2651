import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject, ObjectMeta } from '../object.ts';
import { isAddress, subnet } from '../values/addresses.ts';
import { isHttp, isStream, isTls, knownProtocol } from '../values/application-protocol.ts';
import { checkExportTo } from '../values/export-to.ts';
import { checkLabelSelector, checkLabels } from '../values/labels.ts';
import { dnsLabel, domainName, wholeWildcard, wildcardDomain } from '../values/names.ts';
import { checkWorkload, checkWorkloadPorts } from '../workload-entry/check.ts';
import type { ServiceEntrySpec } from './spec.ts';

const AUTO_ALLOCATE = 'networking.istio.io/enable-autoallocate-ip';
const USE_WAYPOINT = 'istio.io/use-waypoint';
const DYNAMIC: ReadonlySet<string> = new Set(['http', 'tls', 'grpc', 'http2']);

export function checkServiceEntry({ metadata, spec }: ConfigObject<ServiceEntrySpec>): Findings {
  const findings = new FindingList();
  if (spec.workloadSelector !== undefined) {
    checkLabelSelector(spec.workloadSelector.labels, ['spec', 'workloadSelector', 'labels'], findings);
    if ((spec.endpoints ?? []).length > 0) findings.error(['spec'], 'only one of workloadSelector and endpoints can be set');
  }
  checkHosts(spec, findings);
  checkAddresses(spec, findings);
  checkPorts(spec, metadata, findings);
  checkResolution(spec, metadata, findings);
  checkExportTo(spec.exportTo, metadata.namespace, { mayHide: true, ownNamespaceOnly: false }, findings);
  return findings;
}

function checkHosts({ hosts, ports = [], resolution = 'NONE' }: ServiceEntrySpec, findings: FindingList): void {
  if (hosts.length === 0) findings.error(['spec', 'hosts'], 'must name at least one host');
  for (const [index, host] of hosts.entries()) {
    const path = ['spec', 'hosts', index];
    if (host === '*') findings.error(path, '"*" would take all that is called; name a domain, such as *.example.com');
    else {
      findings.refuse(path, wildcardDomain(host));
      const partial = resolution === 'DYNAMIC_DNS' ? undefined : wholeWildcard(host);
      if (partial !== undefined) findings.warning(path, partial);
    }
  }
  const told = ports.findIndex(({ protocol }) => !isHttp(protocol) && !isTls(protocol));
  if (resolution !== 'NONE' && hosts.length > 1 && told >= 0)
    findings.error(
      ['spec', 'ports', told, 'protocol'],
      'with several hosts it must be one of HTTP or TLS: others do not say which host is called',
    );
}

function checkAddresses({ addresses = [], resolution = 'NONE' }: ServiceEntrySpec, findings: FindingList): void {
  for (const [index, address] of addresses.entries()) findings.refuse(['spec', 'addresses', index], subnet(address));
  const range = addresses.findIndex((address) => address.includes('/'));
  if (range >= 0 && resolution !== 'NONE' && resolution !== 'STATIC')
    findings.error(['spec', 'addresses', range], `a CIDR range needs resolution NONE or STATIC, not ${resolution}`);
}

function checkPorts(
  { addresses = [], ports = [], resolution = 'NONE' }: ServiceEntrySpec,
  metadata: ObjectMeta,
  findings: FindingList,
): void {
  const allocates = resolution !== 'NONE' && metadata.labels[AUTO_ALLOCATE]?.toLowerCase() !== 'false';
  const names = new Set<string>();
  const numbers = new Set<number>();
  for (const [index, { name = '', number, protocol = '' }] of ports.entries()) {
    const path = ['spec', 'ports', index];
    if (names.has(name)) findings.error([...path, 'name'], `"${name}" stands twice`);
    if (numbers.has(number)) findings.error([...path, 'number'], `${number} stands twice`);
    names.add(name);
    numbers.add(number);
    findings.refuse([...path, 'name'], name === '' ? 'must be set' : dnsLabel(name));
    if (protocol !== '') findings.refuse([...path, 'protocol'], knownProtocol(protocol));
    if (addresses.length === 0 && !allocates && (protocol === '' || protocol === 'TCP'))
      findings.warning(path, 'a TCP port without spec.addresses takes the traffic of every host; set addresses', 'IST0134');
  }
}

function checkResolution(spec: ServiceEntrySpec, metadata: ObjectMeta, findings: FindingList): void {
  const { endpoints = [], ports = [], resolution = 'NONE' } = spec;
  const servicePorts = new Set(ports.map(({ name }) => name ?? ''));
  if (resolution === 'NONE') {
    if (endpoints.length > 0)
      findings.error(['spec', 'endpoints'], 'resolution NONE calls the address that the client asked for: no endpoints');
    if (spec.workloadSelector !== undefined) findings.warning(['spec', 'workloadSelector'], 'has no effect with resolution NONE');
  } else if (resolution === 'STATIC') {
    for (const [index, endpoint] of endpoints.entries())
      checkWorkload(endpoint, { servicePorts, mayBeName: false }, ['spec', 'endpoints', index], findings);
  } else if (resolution === 'DYNAMIC_DNS') checkDynamic(spec, metadata, findings);
  else checkDns(spec, servicePorts, findings);
}

function checkDns(spec: ServiceEntrySpec, servicePorts: ReadonlySet<string>, findings: FindingList): void {
  const { addresses = [], endpoints = [], hosts, ports = [], resolution } = spec;
  const unresolvable = endpoints.length > 0 ? -1 : hosts.findIndex((host) => domainName(host) !== undefined);
  if (unresolvable >= 0)
    findings.error(
      ['spec', 'hosts', unresolvable],
      `"${hosts[unresolvable]}" cannot be resolved; with resolution ${resolution} name the endpoints`,
    );
  if (resolution === 'DNS_ROUND_ROBIN' && endpoints.length > 1)
    findings.error(['spec', 'endpoints'], 'resolution DNS_ROUND_ROBIN takes at most one endpoint');
  for (const [index, { address = '', labels, ports: own }] of endpoints.entries()) {
    const path = ['spec', 'endpoints', index];
    if (!isAddress(address) && domainName(address) !== undefined)
      findings.error([...path, 'address'], `"${address}" is neither a host name nor an IP address`);
    checkLabels(labels, [...path, 'labels'], findings);
    checkWorkloadPorts(own, servicePorts, [...path, 'ports'], findings);
  }
  if (addresses.length > 0 && hosts.length > 1 && ports.some(({ protocol }) => isStream(protocol)))
    findings.warning(['spec', 'hosts'], 'several hosts share the addresses: on a TCP port they cannot be told apart');
}

function checkDynamic(spec: ServiceEntrySpec, metadata: ObjectMeta, findings: FindingList): void {
  const { addresses = [], endpoints = [], hosts, location = 'MESH_EXTERNAL', ports = [] } = spec;
  for (const [index, host] of hosts.entries())
    if (!host.startsWith('*'))
      findings.error(['spec', 'hosts', index], `"${host}": resolution DYNAMIC_DNS is for wildcard hosts; write DNS`);
  if (addresses.length > 0) findings.error(['spec', 'addresses'], 'cannot be set with resolution DYNAMIC_DNS');
  if (endpoints.length > 0) findings.error(['spec', 'endpoints'], 'cannot be set with resolution DYNAMIC_DNS');
  for (const [index, { protocol = '' }] of ports.entries())
    if (!DYNAMIC.has(protocol.toLowerCase()))
      findings.error(
        ['spec', 'ports', index, 'protocol'],
        `with resolution DYNAMIC_DNS it is one of HTTP, HTTP2, GRPC, TLS, not "${protocol}"`,
      );
  const waypoint = metadata.labels[USE_WAYPOINT] ?? '';
  if (location === 'MESH_INTERNAL' && waypoint !== '' && waypoint.toLowerCase() !== 'none')
    findings.error(['spec', 'location'], 'MESH_INTERNAL with resolution DYNAMIC_DNS cannot go through a waypoint');
}
