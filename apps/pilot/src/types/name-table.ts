import { isIP } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { type MeshProxy, type MeshSnapshot, type Service, type SidecarScope, sidecarScope } from '@xebec/model';
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
 * addresses of its ready endpoints. A ServiceEntry that repeats a Kubernetes host loses to it; several for one host add up.
 */
export function nameTable(snapshot: MeshSnapshot, proxy: MeshProxy): NameTable {
  const table: Record<string, NameTable_NameInfo> = {};
  for (const { services } of sidecarScope(snapshot, proxy).egress) {
    for (const service of services) {
      const ips = addressesOf(snapshot, service);
      if (ips.length === 0) continue;
      const known = table[service.hostname];
      if (known === undefined || (known.registry !== REGISTRIES.kubernetes && service.registry === 'kubernetes'))
        table[service.hostname] = entry(service, ips);
      else if (known.registry !== REGISTRIES.kubernetes) known.ips = [...new Set([...known.ips, ...ips])];
    }
  }
  return create(NameTableSchema, { table });
}

function entry(service: Service, ips: string[]): NameTable_NameInfo {
  const own = service.registry === 'kubernetes' ? { namespace: service.namespace, shortname: service.name } : {};
  return create(NameTable_NameInfoSchema, { ips, registry: REGISTRIES[service.registry], ...own });
}

function addressesOf(snapshot: MeshSnapshot, service: Service): string[] {
  const addresses = service.addresses.filter((address) => isIP(address) !== 0 && !UNSPECIFIED.has(address));
  if (addresses.length > 0 || service.resolution !== 'passthrough' || service.ports.length === 0) return addresses;
  const ready = snapshot.allEndpoints(service).filter(({ address, health }) => isIP(address) !== 0 && health === 'healthy');
  return [...new Set(ready.map(({ address }) => address))];
}

/** NDS: one resource without a name. Proxies with the same view of the services share it. */
export function nameTableType(cache: ResourceCache): AuxiliaryType {
  const made = new WeakMap<SidecarScope, EncodedResource>();
  return {
    resources(snapshot, { proxy }) {
      const scope = sidecarScope(snapshot, proxy);
      let resource = made.get(scope);
      if (resource === undefined) {
        resource = cache.intern(NAME_TABLE_TYPE, '', toBinary(NameTableSchema, nameTable(snapshot, proxy)));
        made.set(scope, resource);
      }
      return new Map([['', resource]]);
    },
  };
}
