import { type Endpoint, hostCovers, type MeshProxy, type MeshSnapshot, NETWORK_LABEL, type NetworkGateway } from '@xebec/model';
import { families } from '../listener/wildcards.ts';

const CLUSTER_LABEL = 'topology.istio.io/cluster';
const MAX_WEIGHT = 4294967295;

/**
 * The endpoints of one locality as a proxy reaches them: those of its own network directly, those of others by the gateways of these, which
 * have their weight. A gateway goes by the server name of mesh TLS, so that what does not speak it cannot be reached behind one. Without
 * any gateway all networks are one.
 *
 * Weights grow by the least common multiple of the numbers of gateways, so that they split without remainder.
 */
export function splitHorizon(
  endpoints: readonly Endpoint[],
  gateways: readonly NetworkGateway[],
  proxy: Pick<MeshProxy, 'metadata' | 'addresses'>,
  speaksMtls: (endpoint: Endpoint) => boolean,
): readonly Endpoint[] {
  if (gateways.length === 0) return endpoints;
  const own = String(proxy.metadata.NETWORK ?? '');
  const scale = scaleOf(gateways);
  const direct: Endpoint[] = [];
  const weights = new Map<NetworkGateway, number>();
  for (const endpoint of endpoints) {
    const weight = Math.min(MAX_WEIGHT, Math.max(1, endpoint.weight) * scale);
    const behind = gatewaysOf(gateways, endpoint);
    const near = endpoint.network === '' || own === '' || endpoint.network === own;
    // A proxy that does not know its own network goes by the gateways of those that have some.
    const forced = own === '' && endpoint.network !== '' && behind.length > 0;
    if (!forced && (near || behind.length === 0)) {
      if (endpoint.address !== '') direct.push({ ...endpoint, weight });
      continue;
    }
    const reachable = behind.filter(({ address }) => fitsFamily(address, proxy));
    if (reachable.length === 0 || !speaksMtls(endpoint)) continue;
    for (const gateway of reachable) weights.set(gateway, (weights.get(gateway) ?? 0) + Math.floor(weight / reachable.length));
  }
  const [first] = endpoints;
  if (first === undefined) return direct;
  // The gateways are sorted, and so are those of them that are used.
  const used = gateways.flatMap((gateway): Endpoint[] => {
    const weight = weights.get(gateway);
    return weight === undefined ? [] : [standIn(gateway, first, Math.max(1, weight))];
  });
  return [...direct, ...used];
}

/** Whether a proxy asks for endpoints of this network at all. */
export function seesNetwork(proxy: Pick<MeshProxy, 'metadata'>, network: string): boolean {
  const view = proxy.metadata.REQUESTED_NETWORK_VIEW;
  const wanted = typeof view === 'string' ? view.split(',').map((name) => name.trim()) : [];
  return network === '' || wanted.every((name) => name === '') || wanted.includes(network);
}

/** Whether endpoints of a host are for callers of their own cluster only, by MeshConfig's `serviceSettings` and what is so by nature. */
export function isClusterLocal({ mesh, domain }: Pick<MeshSnapshot, 'mesh' | 'domain'>, hostname: string): boolean {
  const settings = mesh.serviceSettings ?? [];
  const said = settings
    .flatMap(({ settings: own, hosts }) => (hosts ?? []).map((host) => ({ host, local: own?.clusterLocal === true })))
    .filter(({ host }) => hostCovers(host, hostname))
    .sort((a, b) => specificity(b.host) - specificity(a.host));
  const byNature = [`*.kube-system.svc.${domain}`, `kubernetes.default.svc.${domain}`].some((host) => hostCovers(host, hostname));
  return said[0]?.local ?? byNature;
}

function specificity(host: string): number {
  return host.startsWith('*') ? host.length : Number.MAX_SAFE_INTEGER;
}

/** The cluster that an endpoint stands in. */
export function clusterOf(endpoint: Endpoint, fallback: string): string {
  return endpoint.labels[CLUSTER_LABEL] ?? fallback;
}

/** Those of the endpoint's cluster, where the network has any there; else all of its network. */
function gatewaysOf(gateways: readonly NetworkGateway[], endpoint: Endpoint): readonly NetworkGateway[] {
  const ofNetwork = gateways.filter(({ network }) => network === endpoint.network);
  const ofCluster = ofNetwork.filter(({ cluster }) => cluster === endpoint.labels[CLUSTER_LABEL]);
  return ofCluster.length > 0 ? ofCluster : ofNetwork;
}

function fitsFamily(address: string, proxy: Pick<MeshProxy, 'addresses'>): boolean {
  const { v4, v6 } = families(proxy);
  return v4 === v6 || (address.includes(':') ? v6 : v4);
}

function scaleOf(gateways: readonly NetworkGateway[]): number {
  const counts = new Map<string, number>();
  for (const { network, cluster } of gateways)
    for (const key of [network, `${network}\n${cluster}`]) counts.set(key, (counts.get(key) ?? 0) + 1);
  return [...counts.values()].reduce((a, b) => (a * b) / greatestDivisor(a, b), 1);
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

function standIn({ network, cluster, address, port }: NetworkGateway, { locality, servicePortName }: Endpoint, weight: number): Endpoint {
  return {
    address,
    port,
    servicePortName,
    labels: { ...(cluster === '' ? {} : { [CLUSTER_LABEL]: cluster }), [NETWORK_LABEL]: network },
    namespace: '',
    serviceAccount: '',
    workloadName: '',
    locality,
    weight,
    health: 'healthy',
    tlsMode: 'istio',
    network,
    gateway: true,
  };
}
