import { query, sameList } from '@xebec/incremental';
import type { Service } from './service.ts';
import type { MeshSnapshot } from './snapshot.ts';

/** SPIFFE ID of a workload. */
export function spiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

/** The identities that endpoints of a service may prove, sorted: those of their service accounts and those it lists. */
export const serviceIdentities = query(
  'identities of a service',
  (snapshot: MeshSnapshot, service: Service): readonly string[] => {
    const domains = [snapshot.mesh.trustDomain ?? 'cluster.local', ...(snapshot.mesh.trustDomainAliases ?? [])];
    const out = new Set(service.subjectAltNames);
    for (const endpoint of snapshot.allEndpoints(service)) {
      if (endpoint.serviceAccount === '') continue;
      if (endpoint.serviceAccount.startsWith('spiffe://')) out.add(endpoint.serviceAccount);
      else for (const domain of domains) out.add(spiffeId(domain, endpoint.namespace, endpoint.serviceAccount));
    }
    return [...out].sort();
  },
  { same: sameList },
);
