import { FindingList, type Findings } from '../findings.ts';
import { checkServerTls } from '../gateway/server-tls.ts';
import type { ConfigObject } from '../object.ts';
import { checkConnectionPool } from '../traffic-policy/connection-pool.ts';
import { ipAddress, portOf, splitHostPort, UNIX_PREFIX, unixPath } from '../values/addresses.ts';
import { isHttp, isTls, knownProtocol } from '../values/application-protocol.ts';
import { checkLabelSelector } from '../values/labels.ts';
import { dnsLabel, domainName } from '../values/names.ts';
import { checkDestination } from '../virtual-service/destination.ts';
import { checkEgressHosts } from './egress-hosts.ts';
import type { SidecarSpec } from './spec.ts';

type Path = readonly PropertyKey[];
type Ingress = NonNullable<SidecarSpec['ingress']>[number];
type Egress = NonNullable<SidecarSpec['egress']>[number];
type Port = Ingress['port'];

const OWN_HOSTS: ReadonlySet<string> = new Set(['', '127.0.0.1', '0.0.0.0', '::1', '::']);

export function checkSidecar({ metadata, spec }: ConfigObject<SidecarSpec>): Findings {
  const findings = new FindingList();
  const { egress = [], ingress = [] } = spec;
  if (spec.workloadSelector !== undefined)
    checkLabelSelector(spec.workloadSelector.labels, ['spec', 'workloadSelector', 'labels'], findings);
  if (egress.length + ingress.length === 0 && spec.outboundTrafficPolicy === undefined && spec.inboundConnectionPool === undefined)
    findings.error(['spec'], 'sets nothing; set one of ingress, egress, outboundTrafficPolicy, inboundConnectionPool');
  const numbers = new Set<number>();
  for (const [index, listener] of ingress.entries()) {
    const path = ['spec', 'ingress', index];
    checkIngress(listener, path, findings);
    const number = listener.port.number ?? 0;
    if (numbers.has(number)) findings.error([...path, 'port', 'number'], `${number} stands twice`);
    numbers.add(number);
  }
  checkConnectionPool(spec.inboundConnectionPool, ['spec', 'inboundConnectionPool'], findings);
  checkEgress(egress, metadata.namespace, findings);
  checkOutbound(spec.outboundTrafficPolicy, ['spec', 'outboundTrafficPolicy'], findings);
  return findings;
}

function checkPort(port: Port, bind: string, path: Path, findings: FindingList): void {
  const { name = '', number = 0, protocol = '' } = port;
  if ((port.targetPort ?? 0) > 0) findings.error([...path, 'port', 'targetPort'], 'has no effect on a Sidecar; leave it out');
  if (name !== '') findings.refuse([...path, 'port', 'name'], dnsLabel(name));
  if (protocol !== '') findings.refuse([...path, 'port', 'protocol'], knownProtocol(protocol));
  if (number < 1) findings.error([...path, 'port', 'number'], `${number} is not a port: write a number from 1 to 65535`);
  if (bind !== '') findings.refuse([...path, 'bind'], ipAddress(bind));
}

function checkIngress(listener: Ingress, path: Path, findings: FindingList): void {
  const { bind = '', connectionPool, defaultEndpoint = '', port, tls } = listener;
  checkPort(port, bind, path, findings);
  if (defaultEndpoint !== '') findings.refuse([...path, 'defaultEndpoint'], endpointProblem(defaultEndpoint));
  if (tls !== undefined) {
    const at = [...path, 'tls'];
    const lists = ['subjectAltNames', 'credentialNames', 'tlsCertificates'] as const;
    for (const field of lists) if ((tls[field] ?? []).length > 0) findings.error([...at, field], 'is not supported in a Sidecar');
    if ((tls.credentialName ?? '') !== '') findings.error([...at, 'credentialName'], 'is not supported in a Sidecar; name files');
    if (tls.httpsRedirect === true) findings.error([...at, 'httpsRedirect'], 'is not supported in a Sidecar');
    if (tls.mode === 'ISTIO_MUTUAL' || tls.mode === 'AUTO_PASSTHROUGH')
      findings.error([...at, 'mode'], `${tls.mode} is not supported in a Sidecar`);
    if (!isTls(port.protocol)) findings.error(at, 'needs a port of protocol HTTPS or TLS');
    checkServerTls(tls, at, findings);
  }
  checkConnectionPool(connectionPool, [...path, 'connectionPool'], findings);
  if (connectionPool?.http !== undefined && !isHttp(port.protocol))
    findings.warning([...path, 'connectionPool', 'http'], 'has no effect: the port is not of HTTP');
}

function endpointProblem(value: string): string | undefined {
  if (value.startsWith(UNIX_PREFIX)) return unixPath(value.slice(UNIX_PREFIX.length));
  const parts = splitHostPort(value);
  if (parts === undefined || !OWN_HOSTS.has(parts.host))
    return `"${value}" is none of 127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT and unix://PATH`;
  return portOf(parts.port) === undefined ? `"${parts.port}" is not a port: write a number from 1 to 65535` : undefined;
}

function checkEgress(egress: readonly Egress[], namespace: string, findings: FindingList): void {
  const numbers = new Set<number>();
  const sockets = new Set<string>();
  const catchAll = egress.findIndex(({ port }) => port === undefined);
  for (const [index, listener] of egress.entries()) {
    const path = ['spec', 'egress', index];
    const { bind = '', captureMode = 'DEFAULT', hosts, port } = listener;
    if (port === undefined) {
      if (index !== catchAll) findings.error([...path, 'port'], 'only one listener can be without a port');
      else if (index !== egress.length - 1) findings.error([...path, 'port'], 'the listener without a port stands last');
    } else if ((port.number ?? 0) !== 0) {
      checkPort(port, bind, path, findings);
      if (numbers.has(port.number ?? 0)) findings.error([...path, 'port', 'number'], `${port.number} stands twice`);
      numbers.add(port.number ?? 0);
    } else {
      checkPort({ ...port, number: 1 }, '', path, findings);
      if (!bind.startsWith(UNIX_PREFIX)) findings.error([...path, 'port', 'number'], 'must be set, or bind to a Unix socket');
      else findings.refuse([...path, 'bind'], unixPath(bind.slice(UNIX_PREFIX.length)));
      if (captureMode === 'IPTABLES') findings.error([...path, 'captureMode'], 'what is sent to a Unix socket cannot be captured');
      if (sockets.has(bind)) findings.error([...path, 'bind'], `"${bind}" stands twice`);
      sockets.add(bind);
    }
    checkEgressHosts(hosts, namespace, [...path, 'hosts'], findings);
  }
}

function checkOutbound(policy: SidecarSpec['outboundTrafficPolicy'], path: Path, findings: FindingList): void {
  const { egressProxy, mode = 'REGISTRY_ONLY' } = policy ?? {};
  if (mode === 'ALLOW_ANY_DYNAMIC_DNS') {
    findings.error([...path, 'mode'], 'ALLOW_ANY_DYNAMIC_DNS is for the mesh config alone');
    return;
  }
  if (egressProxy === undefined) return;
  const at = [...path, 'egressProxy'];
  if (mode !== 'ALLOW_ANY') {
    findings.error(at, 'needs mode ALLOW_ANY');
    return;
  }
  findings.refuse([...at, 'host'], domainName(egressProxy.host));
  if (egressProxy.port === undefined) {
    findings.error([...at, 'port'], 'required field is missing');
    return;
  }
  checkDestination(egressProxy, at, findings);
}
