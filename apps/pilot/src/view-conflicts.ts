import {
  allocatedAddresses,
  inboundInstances,
  isHttp,
  isTls,
  type MeshProxy,
  type MeshSnapshot,
  type Service,
  type SidecarScope,
  sidecarScope,
} from '@xebec/model';

/** A sidecar and the mesh that it was configured by. */
export interface View {
  readonly proxy: MeshProxy;
  readonly snapshot: MeshSnapshot;
}

export interface ViewConflicts {
  /** Outbound listeners (`address_port`) on which a TCP service lies behind another in the view of some sidecar. */
  readonly outboundTcp: number;
  /** Sidecars a port of whose workload several services describe by different protocols. */
  readonly inbound: number;
}

/** Services of a view by the listener that they share; an entry has two at least. */
type Contested = ReadonlyMap<string, readonly Service[]>;

/** Counts conflicts by what each sidecar sees; `known` keeps what sidecars of one scope have in common. */
export function viewConflicts(views: Iterable<View>, known: WeakMap<SidecarScope, Contested>): ViewConflicts {
  const listeners = new Set<string>();
  let inbound = 0;
  for (const { snapshot, proxy } of views) {
    if (proxy.type !== 'sidecar') continue;
    if (conflictsInbound(snapshot, proxy)) inbound++;
    const scope = sidecarScope(snapshot, proxy);
    const contested = known.get(scope) ?? contestedListeners(scope);
    known.set(scope, contested);
    for (const [listener, services] of contested) {
      // By an allocated address a proxy whose DNS is ours has a listener for the service alone.
      const sharing = services.filter((service) => service.addresses.length > 0 || allocatedAddresses(service, proxy).length === 0);
      if (sharing.length > 1) listeners.add(listener);
    }
  }
  return { outboundTcp: listeners.size, inbound };
}

/** Services of bytes without server names, on one port of one address or, without an address, of any. */
function contestedListeners({ egress }: SidecarScope): Contested {
  const listeners = new Map<string, Set<Service>>();
  // A port that a Sidecar names is its own, and no service of the other ports comes there.
  const named = new Set(egress.flatMap(({ port }) => (port === undefined ? [] : [port.number])));
  for (const { services, port: own, bind } of egress) {
    for (const service of services) {
      if (own !== undefined || bind !== undefined || service.aliasOf !== undefined) continue;
      for (const { number, protocol } of service.ports) {
        if (protocol === 'udp' || isHttp(protocol) || isTls(protocol) || named.has(number)) continue;
        for (const address of addressesOf(service)) {
          const key = `${address}_${number}`;
          const sharing = listeners.get(key) ?? new Set();
          listeners.set(key, sharing.add(service));
        }
      }
    }
  }
  return new Map([...listeners].flatMap(([key, services]) => (services.size > 1 ? [[key, [...services]]] : [])));
}

/** Services that lead to the called address itself have listeners at their pods; blocks of addresses are told apart by chain. */
function addressesOf({ addresses, resolution }: Service): readonly string[] {
  if (addresses.length === 0) return resolution === 'passthrough' ? [] : ['0.0.0.0'];
  return addresses.filter((address) => !address.includes('/') && address !== '0.0.0.0');
}

function conflictsInbound(snapshot: MeshSnapshot, proxy: MeshProxy): boolean {
  const first = new Map<number, { protocol: string; hostname: string }>();
  for (const { targetPort, port, service } of inboundInstances(snapshot, proxy)) {
    const holder = first.get(targetPort);
    if (holder === undefined) first.set(targetPort, { protocol: port.protocol, hostname: service.hostname });
    else if (holder.protocol !== port.protocol && holder.hostname !== service.hostname) return true;
  }
  return false;
}
