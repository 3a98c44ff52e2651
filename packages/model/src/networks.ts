import { BlockList, isIP } from 'node:net';
import type { MeshNetworks } from '@xebec/schemas';
import type { Labels } from './labels.ts';
import type { Endpoint, Service } from './service.ts';

export const NETWORK_LABEL = 'topology.istio.io/network';
const GATEWAY_PORT_LABEL = 'networking.istio.io/gatewayPort';
/** Where gateways between networks take mesh TLS unless they say otherwise. */
const GATEWAY_PORT = 15443;

/** A way into a network from others: it takes mesh TLS and passes it on by its server name. */
export interface NetworkGateway {
  readonly network: string;
  /** Cluster that it stands in; empty where that is not known. */
  readonly cluster: string;
  /** IP address. */
  readonly address: string;
  readonly port: number;
}

/** What is known of networks beside the labels of workloads. */
export interface NetworkSettings {
  /** The cluster whose registry this is. */
  readonly cluster: string;
  /** Labels of the root namespace: its network is that of everything in the cluster. */
  readonly rootLabels: Labels | undefined;
  readonly networks: MeshNetworks | undefined;
}

/** The network of an address by what is said of the whole cluster; undefined: nothing is. */
export function networkLookup({ cluster, rootLabels, networks }: NetworkSettings): ((address: string) => string) | undefined {
  const root = rootLabels?.[NETWORK_LABEL] ?? '';
  if (root !== '') return () => root;
  const named = Object.entries(networks?.networks ?? {});
  const ofCluster = named.find(([, { endpoints }]) => endpoints?.some(({ fromRegistry }) => fromRegistry === cluster));
  if (ofCluster !== undefined) return () => ofCluster[0];
  const blocks = named.map(([name, { endpoints }]) => ({
    name,
    block: blockOf((endpoints ?? []).flatMap(({ fromCidr }) => fromCidr ?? [])),
  }));
  if (blocks.length === 0) return undefined;
  return (address) => {
    const family = isIP(address);
    if (family === 0) return '';
    return blocks.find(({ block }) => block.check(address, family === 6 ? 'ipv6' : 'ipv4'))?.name ?? '';
  };
}

function blockOf(cidrs: readonly string[]): BlockList {
  const block = new BlockList();
  for (const cidr of cidrs) {
    const [base = '', length = ''] = cidr.split('/');
    const family = isIP(base);
    if (family !== 0 && /^\d+$/.test(length) && Number(length) <= (family === 6 ? 128 : 32))
      block.addSubnet(base, Number(length), family === 6 ? 'ipv6' : 'ipv4');
  }
  return block;
}

/** An endpoint without a network of its own, in the one that is said of its address. */
export function inNetwork(endpoint: Endpoint, network: string): Endpoint {
  if (endpoint.network !== '' || network === '') return endpoint;
  return { ...endpoint, network, labels: { ...endpoint.labels, [NETWORK_LABEL]: network } };
}

/**
 * The gateways between networks: platform services that carry the label of a network, services that MeshNetworks name, and addresses
 * written there. Names are left out: who calls by endpoints cannot resolve them. Sorted by address and port.
 */
export function networkGateways(
  services: readonly Service[],
  { cluster, networks }: Omit<NetworkSettings, 'rootLabels'>,
): NetworkGateway[] {
  const out = new Map<string, NetworkGateway>();
  const add = (gateway: NetworkGateway) => {
    if (isIP(gateway.address) !== 0) out.set(JSON.stringify(gateway), gateway);
  };
  const named = new Map<string, { network: string; port: number }[]>();
  for (const [network, { endpoints, gateways }] of Object.entries(networks?.networks ?? {})) {
    const here = endpoints?.some(({ fromRegistry }) => fromRegistry === cluster) === true;
    for (const { address = '', registryServiceName = '', port } of gateways ?? []) {
      if (address !== '') add({ network, cluster: '', address, port });
      else if (here && registryServiceName !== '')
        named.set(registryServiceName, [...(named.get(registryServiceName) ?? []), { network, port }]);
    }
  }
  for (const service of services) {
    const { external } = service;
    if (external === undefined) continue;
    const network = service.labels[NETWORK_LABEL] ?? '';
    const entries = network === '' ? (named.get(service.hostname) ?? []) : labelled(service, network);
    for (const entry of entries)
      for (const address of external.addresses)
        add({ network: entry.network, cluster, address, port: external.ports?.[entry.port] ?? entry.port });
  }
  return [...out.values()].sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.port - b.port));
}

function labelled(service: Service, network: string): { network: string; port: number }[] {
  const written = Number(service.labels[GATEWAY_PORT_LABEL]);
  const port = Number.isInteger(written) && written > 0 ? written : GATEWAY_PORT;
  return service.ports.some(({ number }) => number === port) ? [{ network, port }] : [];
}
