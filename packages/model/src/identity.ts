import { type Service, serviceKey } from './service.ts';
import type { MeshSnapshot } from './snapshot.ts';

/** SPIFFE ID of a workload. */
export function spiffeId(trustDomain: string, namespace: string, serviceAccount: string): string {
  return `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}

const memo = new WeakMap<MeshSnapshot, Map<string, readonly string[]>>();

/** The identities that endpoints of a service may prove, sorted: those of their service accounts and those it lists. */
export function serviceIdentities(snapshot: MeshSnapshot, service: Service): readonly string[] {
  let known = memo.get(snapshot);
  if (known === undefined) {
    known = new Map();
    memo.set(snapshot, known);
  }
  const key = serviceKey(service);
  let identities = known.get(key);
  if (identities === undefined) {
    const domains = [snapshot.mesh.trustDomain ?? 'cluster.local', ...(snapshot.mesh.trustDomainAliases ?? [])];
    const out = new Set(service.subjectAltNames);
    for (const endpoint of snapshot.allEndpoints(service)) {
      if (endpoint.serviceAccount === '') continue;
      if (endpoint.serviceAccount.startsWith('spiffe://')) out.add(endpoint.serviceAccount);
      else for (const domain of domains) out.add(spiffeId(domain, endpoint.namespace, endpoint.serviceAccount));
    }
    identities = [...out].sort();
    known.set(key, identities);
  }
  return identities;
}
