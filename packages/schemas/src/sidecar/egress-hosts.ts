import type { FindingList } from '../findings.ts';
import { checkNamespacedHost } from '../values/namespaced-host.ts';

/** The hosts that a listener reaches, `namespace/host`; what is named twice is likely a slip. */
export function checkEgressHosts(hosts: readonly string[], namespace: string, path: readonly PropertyKey[], findings: FindingList): void {
  if (hosts.length === 0) findings.error(path, 'must name at least one host');
  const seen = new Map<string, Set<string>>();
  for (const [index, host] of hosts.entries()) {
    const slash = host.indexOf('/');
    if (slash >= 0 && !host.startsWith('~')) {
      const given = host.slice(0, slash);
      const of = given === '.' ? namespace : given;
      const service = host.slice(slash + 1);
      const others = seen.get(of) ?? new Set();
      if (service === '*' ? others.size > 0 : others.has(service) || others.has('*'))
        findings.warning([...path, index], `"${host}" is taken by another host of the list`);
      seen.set(of, others.add(service));
    }
    checkNamespacedHost(host, 'sidecar', [...path, index], findings);
  }
  if (seen.get('*')?.has('*') === true && seen.size > 1) findings.warning(path, '"*/*" takes everything: other hosts add nothing');
}
