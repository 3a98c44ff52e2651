import type { FindingList } from '../findings.ts';
import { isAddress } from '../values/addresses.ts';
import { wildcardDomain } from '../values/names.ts';

interface HostRules {
  readonly atGateway: boolean;
  /** Whether TLS is routed by its SNI, in which gateways between networks have `outbound_.PORT_.SUBSET_.HOST`. */
  readonly hasSni: boolean;
}

export function hostProblem(host: string, { atGateway, hasSni }: HostRules): string | undefined {
  if (host.length > 255 || !atGateway || !hasSni || !host.startsWith('outbound_')) return wildcardDomain(host);
  const [, port = '', , name] = host.split('_');
  return name !== undefined && /\d/.test(port) && /[a-zA-Z]/.test(name)
    ? undefined
    : `"${host}" is not of the form outbound_.PORT_.SUBSET_.HOST`;
}

/** Hosts that one VirtualService is for: none of them takes what another takes. */
export function checkHosts(hosts: readonly string[], atGateway: boolean, hasSni: boolean, findings: FindingList): void {
  const before = findings.errors.length;
  for (const [index, host] of hosts.entries()) {
    const path = ['spec', 'hosts', index];
    const problem = hostProblem(host, { atGateway, hasSni });
    if (problem !== undefined) {
      if (!isAddress(host)) findings.error(path, problem);
    } else if (!atGateway && host === '*') findings.error(path, '"*" is for gateways alone: in the mesh it would take everything');
  }
  if (findings.errors.length > before) return;
  for (const [index, host] of hosts.entries()) {
    const earlier = hosts.slice(0, index).find((other) => overlap(other, host));
    if (earlier !== undefined) findings.error(['spec', 'hosts', index], `"${host}" and "${earlier}" overlap`);
  }
}

/** Whether there is a name that both take. */
function overlap(a: string, b: string): boolean {
  if (a.startsWith('*') && b.startsWith('*')) return a.length < b.length ? b.endsWith(a.slice(1)) : a.endsWith(b.slice(1));
  return isSubsetOf(a, b) || isSubsetOf(b, a);
}

/** Whether all that `host` takes is taken by `other`. */
export function isSubsetOf(host: string, other: string): boolean {
  if (!other.startsWith('*')) return host === other;
  return host.startsWith('*') ? host.length >= other.length && host.endsWith(other.slice(1)) : host.endsWith(other.slice(1));
}
