import { FindingList, type Findings } from '../findings.ts';
import type { ConfigObject } from '../object.ts';
import { checkExportTo } from '../values/export-to.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { checkHosts } from './hosts.ts';
import { checkHttpRoute } from './http-route-check.ts';
import type { VirtualServiceSpec } from './spec.ts';
import { checkTcpRoute, checkTlsRoute } from './stream-route-check.ts';
import { checkReachable } from './unreachable-rules.ts';

export function checkVirtualService({ metadata, spec }: ConfigObject<VirtualServiceSpec>): Findings {
  const findings = new FindingList();
  const { gateways = [], hosts = [], http = [], tcp = [], tls = [] } = spec;
  const isDelegate = hosts.length === 0;
  if (isDelegate)
    for (const field of ['gateways', 'tls', 'tcp'] as const)
      if ((spec[field] ?? []).length > 0) findings.error(['spec', field], 'cannot be set without hosts, in a delegate');
  checkGatewayNames(gateways, ['spec', 'gateways'], findings);
  const atGateway = gateways.length > 0 && !gateways.includes('mesh');
  const hasSni = tls.some(({ match }) => match.some(({ sniHosts }) => sniHosts.length > 0));
  checkHosts(hosts, atGateway, hasSni, findings);
  if (http.length + tcp.length + tls.length === 0) findings.error(['spec'], 'needs one of http, tls, tcp');
  for (const [index, route] of http.entries()) checkHttpRoute(route, { isDelegate, atGateway }, ['spec', 'http', index], findings);
  // Without gateways a TLS route's names are looked at as a gateway's are.
  for (const [index, route] of tls.entries()) checkTlsRoute(route, spec, !gateways.includes('mesh'), ['spec', 'tls', index], findings);
  for (const [index, route] of tcp.entries()) checkTcpRoute(route, ['spec', 'tcp', index], findings);
  checkExportTo(spec.exportTo, metadata.namespace, { mayHide: false, ownNamespaceOnly: false }, findings);
  checkReachable(spec, findings);
  return findings;
}
