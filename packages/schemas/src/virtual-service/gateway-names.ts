import type { FindingList } from '../findings.ts';
import { dnsLabel, domainName } from '../values/names.ts';

/** `[namespace/]name` of gateways; what follows a name without a namespace is not looked at, as Istio has it. */
export function checkGatewayNames(names: readonly string[] | undefined, path: readonly PropertyKey[], findings: FindingList): void {
  for (const [index, name] of (names ?? []).entries()) {
    const at = [...path, index];
    const slash = name.indexOf('/');
    if (slash < 0) {
      const [gateway = '', namespace] = name.split('.');
      if (namespace !== undefined) findings.warning(at, `"${name}" is an old form; write ${namespace}/${gateway}`);
      findings.refuse(at, domainName(name));
      return;
    }
    findings.refuse(at, dnsLabel(name.slice(0, slash)));
    findings.refuse(at, dnsLabel(name.slice(slash + 1)));
  }
}
