import type { FindingList } from '../findings.ts';
import { isAddress, subnet } from '../values/addresses.ts';
import { checkLabels } from '../values/labels.ts';
import { checkDestination, checkWeights } from './destination.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { hostProblem, isSubsetOf } from './hosts.ts';
import type { RouteDestination, TcpRoute, TlsRoute, VirtualServiceSpec } from './spec.ts';

type Path = readonly PropertyKey[];
type Match = Pick<TlsRoute['match'][number], 'destinationSubnets' | 'sourceLabels' | 'gateways'>;

export function checkTlsRoute(route: TlsRoute, spec: VirtualServiceSpec, atGateway: boolean, path: Path, findings: FindingList): void {
  if (route.match.length === 0) findings.error([...path, 'match'], 'must have at least one match');
  for (const [index, match] of route.match.entries()) {
    const at = [...path, 'match', index];
    if (match.sniHosts.length === 0) findings.error([...at, 'sniHosts'], 'must name at least one host');
    for (const [number, host] of match.sniHosts.entries())
      checkSniHost(host, spec.hosts ?? [], atGateway, [...at, 'sniHosts', number], findings);
    checkMatch(match, at, findings);
  }
  checkRoutes(route.route ?? [], 'TLS', [...path, 'route'], findings);
}

export function checkTcpRoute(route: TcpRoute, path: Path, findings: FindingList): void {
  for (const [index, match] of (route.match ?? []).entries()) checkMatch(match, [...path, 'match', index], findings);
  checkRoutes(route.route ?? [], 'TCP', [...path, 'route'], findings);
}

function checkMatch(match: Match, path: Path, findings: FindingList): void {
  for (const [index, value] of (match.destinationSubnets ?? []).entries())
    findings.refuse([...path, 'destinationSubnets', index], subnet(value));
  checkLabels(match.sourceLabels, [...path, 'sourceLabels'], findings);
  checkGatewayNames(match.gateways, [...path, 'gateways'], findings);
}

function checkRoutes(routes: readonly RouteDestination[], of: string, path: Path, findings: FindingList): void {
  if (routes.length === 0) findings.error(path, `a ${of} route needs a destination`);
  for (const [index, { destination }] of routes.entries()) checkDestination(destination, [...path, index, 'destination'], findings);
  checkWeights(routes, path, findings);
}

function checkSniHost(host: string, hosts: readonly string[], atGateway: boolean, path: Path, findings: FindingList): void {
  const problem = hostProblem(host, { atGateway, hasSni: true });
  if (problem !== undefined && isAddress(host)) {
    findings.warning(path, `"${host}" is an IP address, which no client sends as SNI`);
    return;
  }
  if (problem !== undefined) {
    findings.error(path, problem);
    return;
  }
  if (!hosts.some((other) => isSubsetOf(host, other)))
    findings.error(path, `"${host}" is of none of spec.hosts: ${hosts.join(', ') || 'there are none'}`);
}
