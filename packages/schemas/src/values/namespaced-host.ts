import type { FindingList } from '../findings.ts';
import { isAddress } from './addresses.ts';
import { isDnsLabel, wholeWildcard, wildcardDomain } from './names.ts';

/** `namespace/host` as Gateways and Sidecars name what they take; Gateways may leave the namespace out and may name addresses. */
export function checkNamespacedHost(value: string, of: 'gateway' | 'sidecar', path: readonly PropertyKey[], findings: FindingList): void {
  const slash = value.indexOf('/');
  if (slash < 0) {
    if (of === 'gateway') checkHost(value, of, path, findings);
    else findings.error(path, `"${value}" is not of the form namespace/host, such as ./* or */api.example.com`);
    return;
  }
  const namespace = value.slice(0, slash);
  const host = value.slice(slash + 1);
  if (namespace === '' || host === '') findings.error(path, `"${value}": neither the namespace nor the host can be empty`);
  // A Sidecar leaves the hosts of ~namespace out.
  const name = of === 'sidecar' ? namespace.replace(/^~/, '') : namespace;
  if (namespace !== '' && !['*', '.'].includes(name) && !(of === 'sidecar' && name === '') && !isDnsLabel(name))
    findings.error(path, `"${namespace}" is none of "*", "." and the name of a namespace`);
  checkHost(host, of, path, findings);
}

function checkHost(host: string, of: 'gateway' | 'sidecar', path: readonly PropertyKey[], findings: FindingList): void {
  if (host !== '*' && !host.includes('.'))
    findings.error(path, `"${host}" is a short name: write all of it, such as ${host || 'name'}.default.svc.cluster.local`);
  if (of === 'sidecar' || !isAddress(host)) findings.refuse(path, wildcardDomain(host));
  findings.refuse(path, wholeWildcard(host));
}
