import { create } from '@bufbuild/protobuf';
import { query } from '@xebec/incremental';
import {
  destinationRuleOf,
  type MeshProxy,
  type MeshSnapshot,
  type Service,
  type ServiceInstance,
  type ServicePort,
  sidecarOf,
  sidecarScope,
  trafficPolicyOf,
} from '@xebec/model';
import { type Cluster, Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { ConnectionPool, MeshConfig, TrafficPolicy } from '@xebec/schemas';
import { socketAddress } from '../envoy/address.ts';
import { duration, seconds } from '../envoy/duration.ts';
import { istioMetadata } from '../envoy/istio-metadata.ts';
import { type ConfigReference, type Generated, referenceTo } from '../generated.ts';
import { proxyConfigOf } from '../listener/proxy-config.ts';
import { type FamilyAddresses, familyAddresses } from '../listener/wildcards.ts';
import { inboundCluster } from './names.ts';
import { protocolOptions } from './protocol-options.ts';
import { inboundSource } from './special.ts';
import { connectionPoolFields } from './traffic-policy.ts';

type Target = { readonly address: string; readonly port: number } | { readonly path: string };

/** Nearly 300 years: hosts of an inbound cluster are few and must not be cleaned up between calls. */
const NEVER = seconds(9223372035);

/**
 * One cluster for each port that the workload serves. With iptables the workload is where the caller's connection was
 * going; without, it listens on an address of its own. Limits of a DestinationRule hold here too, or those that the Sidecar
 * names for what comes in.
 */
export function inboundClusters(snapshot: MeshSnapshot, instances: readonly ServiceInstance[], proxy: MeshProxy): Generated<Cluster>[] {
  const ports = new Map<number, ServiceInstance[]>();
  for (const instance of instances) {
    const list = ports.get(instance.targetPort);
    if (list === undefined) ports.set(instance.targetPort, [instance]);
    else list.push(instance);
  }
  return [...ports.entries()]
    .sort(([a], [b]) => a - b)
    .flatMap(([port, members]) => {
      const [first] = members;
      if (first === undefined) return [];
      if (members.length === 1 && first.declared === undefined && first.endpoint === undefined)
        return [clusterOfService(snapshot, proxy, port, first.service, first.port)];
      return [inboundClusterOf(snapshot, proxy, port, first, members)];
    });
}

/** The same for all workloads of a service. */
const clusterOfService = query(
  'inbound cluster',
  (snapshot: MeshSnapshot, proxy: MeshProxy, targetPort: number, service: Service, port: ServicePort): Generated<Cluster> => {
    const instance = { service, port, targetPort };
    return inboundClusterOf(snapshot, proxy, targetPort, instance, [instance]);
  },
);

function inboundClusterOf(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  port: number,
  instance: ServiceInstance,
  members: readonly ServiceInstance[],
): Generated<Cluster> {
  const name = inboundCluster(port);
  const { protocol } = instance.port;
  const family = familyAddresses(proxy);
  const target = targetOf(snapshot, proxy, family, port, instance);
  const { pool, budget, references } = connectionPoolOf(snapshot, proxy, port, instance);
  const limits = inboundPool(pool, snapshot.mesh.tcpKeepalive);
  const preserveCase = proxyConfigOf(snapshot, proxy).proxyHeaders?.preserveHttp1HeaderCase === true;
  const message = create(ClusterSchema, {
    name,
    altStatName: `${name};`,
    connectTimeout: duration(snapshot.mesh.connectTimeout ?? '10s'),
    commonLbConfig: {},
    ...connectionPoolFields({ connectionPool: limits, ...(budget === undefined ? {} : { retryBudget: budget }) }, protocol),
    ...protocolOptions(limits, undefined, { protocol, sniffs: true, upgrade: false, preserveCase }),
    metadata: istioMetadata({
      services: members.map(({ service }) => ({ host: service.hostname, name: service.hostname, namespace: service.namespace })),
    }),
    ...(target === undefined
      ? {
          clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.ORIGINAL_DST },
          lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
          cleanupInterval: NEVER,
          upstreamBindConfig: inboundSource(family.inboundSource[0]),
        }
      : {
          clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
          lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
          loadAssignment: {
            clusterName: name,
            endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: 'endpoint', value: endpoint(target) } }] }],
          },
          ...(isLocal(target, proxy) ? {} : { upstreamBindConfig: inboundSource(family.inboundSource[0]) }),
        }),
  });
  return { name, message, provenance: references };
}

/** Undefined: the address and port that the caller's connection was for. */
function targetOf(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  family: FamilyAddresses,
  port: number,
  { endpoint: declared, declared: ingress }: ServiceInstance,
): Target | undefined {
  if (declared !== undefined) return declared;
  if (proxy.interceptionMode === 'NONE' && hasOwnAddress(proxy)) return { address: proxy.appAddress, port };
  if (ingress !== undefined) return undefined;
  return snapshot.mesh.inboundTrafficPolicy?.mode === 'LOCALHOST' ? { address: family.loopback[0], port } : undefined;
}

/** Whether the workload beside the proxy listens on an address that only the two of them know. */
function hasOwnAddress(proxy: MeshProxy): boolean {
  return typeof proxy.metadata['XEBEC_APP_ADDRESS'] === 'string';
}

function isLocal(target: Target, proxy: MeshProxy): boolean {
  if ('path' in target) return false;
  return target.address === '127.0.0.1' || target.address === '::1' || (hasOwnAddress(proxy) && target.address === proxy.appAddress);
}

function endpoint(target: Target) {
  return 'path' in target
    ? { address: { address: { case: 'pipe' as const, value: { path: target.path } } } }
    : { address: socketAddress(target.address, target.port) };
}

/** The Sidecar's limits for the port, else those of the service's DestinationRule, else the mesh's. */
function connectionPoolOf(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  port: number,
  { service, port: servicePort }: ServiceInstance,
): { pool: ConnectionPool | undefined; budget?: TrafficPolicy['retryBudget']; references: ConfigReference[] } {
  const sidecar = sidecarOf(snapshot, proxy);
  // A rule that selects clients says nothing of what this workload takes.
  // Nor one of a service that the workload itself does not see.
  const seen = sidecarScope(snapshot, proxy).service(service.hostname) !== undefined;
  const rule = seen ? ruleOfNamespace(snapshot, proxy.namespace, service) : undefined;
  const policy = trafficPolicyOf(rule, undefined, servicePort.number, snapshot.mesh.defaultTrafficPolicy);
  const budget = policy.retryBudget === undefined ? {} : { budget: policy.retryBudget };
  const ofRule = (rule?.sources ?? []).map((source) => referenceTo(source));
  const entry = sidecar?.spec.ingress?.find((candidate) => candidate.port.number === port);
  const own = entry?.connectionPool ?? sidecar?.spec.inboundConnectionPool;
  if (sidecar === undefined || own === undefined) return { pool: policy.connectionPool, ...budget, references: ofRule };
  return { pool: own, ...budget, references: [referenceTo(sidecar), ...(policy.retryBudget === undefined ? [] : ofRule)] };
}

const ruleOfNamespace = query('destination rule of a namespace', (snapshot: MeshSnapshot, namespace: string, service: Service) =>
  destinationRuleOf(snapshot, { namespace, labels: {} }, service),
);

/** A pool for the way to the workload: the protocol there is the port's own, whatever clients are to upgrade to. */
function inboundPool(pool: ConnectionPool | undefined, keepalive: MeshConfig['tcpKeepalive']): ConnectionPool {
  const { h2UpgradePolicy: _, ...http } = pool?.http ?? {};
  const tcpKeepalive = pool?.tcp?.tcpKeepalive ?? keepalive;
  return { http, tcp: { ...pool?.tcp, ...(tcpKeepalive === undefined ? {} : { tcpKeepalive }) } };
}
