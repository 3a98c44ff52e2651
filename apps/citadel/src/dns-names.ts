import { XebecError } from '@xebec/core';

/** DNS names by `<service account>.<namespace>`. */
export type DnsNames = ReadonlyMap<string, readonly string[]>;

/** Names that the mesh's own servers are called by, and which therefore belong into their certificates. */
export function defaultDnsNames(namespace: string, clusterDomain: string): DnsNames {
  const names = (service: string) => [
    `${service}.${namespace}.svc`,
    `${service}.${namespace}.svc.${clusterDomain}`,
    `${service}.${namespace}`,
    service,
    'localhost',
  ];
  return new Map(
    ['pilot', 'citadel', 'galley', 'mixer'].map((component) => [
      `istio-${component}-service-account.${namespace}`,
      [
        ...names(`istio-${component}`),
        ...(component === 'pilot' ? [`istiod.${namespace}.svc`, `istiod.${namespace}.svc.${clusterDomain}`] : []),
      ],
    ]),
  );
}

/** Reads `--custom-dns-names`: `account.namespace:name,account.namespace:name,…`; a repeated account gathers names. */
export function parseDnsNames(text: string): DnsNames {
  const found = new Map<string, string[]>();
  for (const entry of text.split(',').filter((part) => part.trim() !== '')) {
    const match = /^([a-z0-9-]+\.[a-z0-9-]+):([a-z0-9*]([a-z0-9.-]*[a-z0-9])?)$/.exec(entry.trim());
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new XebecError('E_FLAG', `--custom-dns-names wants account.namespace:dns-name entries, but got "${entry.trim()}"`);
    }
    found.set(match[1], [...(found.get(match[1]) ?? []), match[2]]);
  }
  return found;
}

export function mergeDnsNames(...all: readonly DnsNames[]): DnsNames {
  const merged = new Map<string, readonly string[]>();
  for (const names of all)
    for (const [account, list] of names) merged.set(account, [...new Set([...(merged.get(account) ?? []), ...list])]);
  return merged;
}
