import { isIP } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { allocatedAddresses, type MeshProxy, type MeshSnapshot, type Service, type SidecarScope, sidecarScope } from '@xebec/model';
import {
  type NameTable,
  type NameTable_NameInfo,
  NameTable_NameInfoSchema,
  NameTableSchema,
} from '@xebec/protos/istio/networking/nds/v1/nds';
import { type EncodedResource, NAME_TABLE_TYPE, type ResourceCache } from '@xebec/xds';
import type { AuxiliaryType } from './auxiliary-type.ts';

const REGISTRIES = { kubernetes: 'Kubernetes', external: 'External' } as const;
const UNSPECIFIED = new Set(['0.0.0.0', '::']);

/**
 * The hosts that a proxy's Sidecar lets it see, with their addresses, for the DNS beside it. A headless service has the
 * addresses of its ready endpoints, and each of its pods that has a name a row of its own. A ServiceEntry that repeats a Kubernetes host
 * loses to it; several for one host add up.
 */
export function nameTable(snapshot: MeshSnapshot, proxy: MeshProxy): NameTable {
  const table: Record<string, NameTable_NameInfo> = {};
  for (const { services } of sidecarScope(snapshot, proxy).egress) {
    for (const service of services) {
      const pods = podsOf(snapshot, service);
      for (const [name, ips] of namedPods(service, pods)) table[`${name}.${parentOf(service.hostname)}`] = row(service, name, [...ips]);
      const ips = pods === undefined ? addressesOf(service, proxy) : [...new Set(pods.map(({ address }) => address))];
      if (ips.length === 0) continue;
      const known = table[service.hostname];
      if (known === undefined || (known.registry !== REGISTRIES.kubernetes && service.registry === 'kubernetes'))
        table[service.hostname] = row(service, service.name, ips);
      else if (known.registry !== REGISTRIES.kubernetes) known.ips = [...new Set([...known.ips, ...ips])];
    }
  }
  return create(NameTableSchema, { table });
}

function row(service: Service, shortname: string, ips: string[]): NameTable_NameInfo {
  const own = service.registry === 'kubernetes' ? { namespace: service.namespace, shortname } : {};
  return create(NameTable_NameInfoSchema, { ips, registry: REGISTRIES[service.registry], ...own });
}

function addressesOf(service: Service, proxy: MeshProxy): string[] {
  const addresses = service.addresses.filter((address) => isIP(address) !== 0 && !UNSPECIFIED.has(address));
  return service.addresses.length === 0 ? [...allocatedAddresses(service, proxy)] : addresses;
}

/** What stands behind the name of a service without address; undefined: it has addresses, or none are to be told. */
function podsOf(snapshot: MeshSnapshot, service: Service) {
  const addressed = service.addresses.some((address) => isIP(address) !== 0 && !UNSPECIFIED.has(address));
  if (addressed || service.resolution !== 'passthrough' || service.ports.length === 0) return undefined;
  return snapshot.allEndpoints(service).filter(({ address, health }) => isIP(address) !== 0 && health === 'healthy');
}

/** Addresses by `hostname.subdomain`, as Kubernetes names the pods of a StatefulSet. */
function namedPods(service: Service, pods: ReturnType<typeof podsOf> = []): ReadonlyMap<string, ReadonlySet<string>> {
  const out = new Map<string, Set<string>>();
  for (const { podName, address } of pods) {
    if (podName === undefined || service.registry !== 'kubernetes') continue;
    const list = out.get(podName);
    if (list === undefined) out.set(podName, new Set([address]));
    else list.add(address);
  }
  return out;
}

/** `default.svc.cluster.local` of `db.default.svc.cluster.local`. */
function parentOf(hostname: string): string {
  return hostname.slice(hostname.indexOf('.') + 1);
}

/** Any address of each family: by it is seen which of those that were allocated a proxy takes. */
const PROBE = { allocated: ['240.240.0.1', '2001:2::1'] };

/** NDS: one resource without a name. Proxies with the same view of the services share it. */
export function nameTableType(cache: ResourceCache): AuxiliaryType {
  const made = new WeakMap<SidecarScope, Map<string, EncodedResource>>();
  return {
    resources(snapshot, { proxy }) {
      const scope = sidecarScope(snapshot, proxy);
      let tables = made.get(scope);
      if (tables === undefined) {
        tables = new Map();
        made.set(scope, tables);
      }
      const key = allocatedAddresses(PROBE, proxy).join();
      let resource = tables.get(key);
      if (resource === undefined) {
        resource = cache.intern(NAME_TABLE_TYPE, '', toBinary(NameTableSchema, nameTable(snapshot, proxy)));
        tables.set(key, resource);
      }
      return new Map([['', resource]]);
    },
  };
}
