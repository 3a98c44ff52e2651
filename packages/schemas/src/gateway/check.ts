import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { ipAddress, UNIX_PREFIX, unixPath } from '../values/addresses.ts';
import { isHttp, isTls, knownProtocol } from '../values/application-protocol.ts';
import { dnsLabel } from '../values/names.ts';
import { checkNamespacedHost } from '../values/namespaced-host.ts';
import { checkServerTls } from './server-tls.ts';
import type { GatewayServer, GatewaySpec } from './spec.ts';

export function checkGateway({ metadata, spec }: ConfigObject<GatewaySpec>): Findings {
  const findings = new FindingList();
  findings.refuse(['metadata', 'name'], dnsLabel(metadata.name));
  const servers = spec.servers ?? [];
  if (servers.length === 0) findings.error(['spec', 'servers'], 'must have at least one server');
  const names = new Set<string>();
  for (const [index, server] of servers.entries()) {
    const path = ['spec', 'servers', index];
    checkServer(server, path, findings);
    const name = server.port.name ?? '';
    if (names.has(name)) findings.error([...path, 'port', 'name'], `"${name}" stands twice: names of ports are unique within a Gateway`);
    names.add(name);
    if (server.tls?.httpsRedirect === true && !isHttp(server.port.protocol))
      findings.warning([...path, 'tls', 'httpsRedirect'], 'has an effect on servers of HTTP alone');
  }
  return findings;
}

function checkServer(server: GatewayServer, path: readonly PropertyKey[], findings: FindingList): void {
  const { bind = '', hosts, port, tls } = server;
  if (hosts.length === 0) findings.error([...path, 'hosts'], 'must name at least one host');
  for (const [index, host] of hosts.entries()) checkNamespacedHost(host, 'gateway', [...path, 'hosts', index], findings);
  const before = findings.errors.length;
  findings.refuse([...path, 'port', 'protocol'], knownProtocol(port.protocol));
  const number = port.number ?? 0;
  if ((number > 0 || !bind.startsWith(UNIX_PREFIX)) && (number < 1 || number > 65535))
    findings.error([...path, 'port', 'number'], `${number} is not a port: write a number from 1 to 65535`);
  if ((port.targetPort ?? 0) > 0) findings.error([...path, 'port', 'targetPort'], 'has no effect on a Gateway; leave it out');
  if ((port.name ?? '') === '') findings.error([...path, 'port', 'name'], 'must be set');
  const portIsSound = findings.errors.length === before;
  if (bind.startsWith(UNIX_PREFIX)) {
    findings.refuse([...path, 'bind'], unixPath(bind.slice(UNIX_PREFIX.length)));
    if (number !== 0) findings.error([...path, 'port', 'number'], 'must be 0 where bind is a Unix socket');
  } else if (bind !== '') findings.refuse([...path, 'bind'], ipAddress(bind));
  checkServerTls(tls, [...path, 'tls'], findings);
  if (!portIsSound) return;
  if (isTls(port.protocol)) {
    if (tls === undefined) findings.error([...path, 'tls'], `must be set with protocol ${port.protocol}`);
  } else if (tls !== undefined && !isHttp(port.protocol)) findings.error([...path, 'tls'], `cannot be set with protocol ${port.protocol}`);
  else if (tls !== undefined && !redirectsAlone(tls))
    findings.error([...path, 'tls'], `with protocol ${port.protocol} it can but redirect to HTTPS; for TLS write protocol HTTPS`);
}

function redirectsAlone({
  mode = 'PASSTHROUGH',
  caCertificates = '',
  privateKey = '',
  serverCertificate = '',
}: NonNullable<GatewayServer['tls']>): boolean {
  return (mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH') && `${caCertificates}${privateKey}${serverCertificate}` === '';
}
