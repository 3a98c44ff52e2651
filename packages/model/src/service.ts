/** What a service port speaks. `auto` is sniffed; `udp` is ignored by the mesh. */
export type Protocol = 'http' | 'http2' | 'grpc' | 'grpc-web' | 'https' | 'tls' | 'tcp' | 'mongo' | 'redis' | 'mysql' | 'auto' | 'udp';

export interface ServicePort {
  readonly name: string;
  /** 1 to 65535. */
  readonly number: number;
  readonly protocol: Protocol;
  /** Number or container port name; absent: same as `number`. */
  readonly targetPort?: number | string;
}

/** How clients find the endpoints of a service. */
export type Resolution = 'client-side' | 'dns' | 'dns-round-robin' | 'passthrough';

/** A service of the mesh, from whichever registry it came. */
export interface Service {
  /** Fully qualified: `reviews.default.svc.cluster.local`, or an external host such as `*.example.com`. */
  readonly hostname: string;
  readonly name: string;
  readonly namespace: string;
  readonly registry: 'kubernetes' | 'external';
  /** Virtual addresses; empty for headless services and hosts without address. */
  readonly addresses: readonly string[];
  /** Addresses that the control plane gave to a host without own ones: for workloads whose DNS it answers. */
  readonly allocated?: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly resolution: Resolution;
  /** A wildcard whose names are resolved call by call: `DYNAMIC_DNS`. */
  readonly dynamic?: true;
  /** Outside the mesh: never mTLS. */
  readonly meshExternal: boolean;
  readonly headless: boolean;
  /** Another name for this host (an ExternalName service): it has no clusters of its own, and its name is one of that host's. */
  readonly aliasOf?: string;
  /** Where it is reached from outside of the cluster. */
  readonly external?: {
    readonly addresses: readonly string[];
    /** Ports of the addresses by those of the service, where they differ. */
    readonly ports?: Readonly<Record<number, number>>;
  };
  /** Endpoints near the client come first, also without outlier detection. */
  readonly trafficDistribution?: 'zone' | 'node';
  /** Callers reach only endpoints on their own node. */
  readonly nodeLocal?: boolean;
  /** Namespaces that see it: `*`, `.`, `~` or names. */
  readonly exportTo: readonly string[];
  /** Pod labels it selects; absent when endpoints are listed by hand. */
  readonly selector?: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** RFC 3339. */
  readonly creationTimestamp: string;
  /** Names the endpoints' certificates may carry besides those inferred from service accounts. */
  readonly subjectAltNames: readonly string[];
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subzone: string;
}

export type EndpointHealth = 'healthy' | 'unhealthy' | 'draining';

/** One address and port that serves one port of a service. */
export interface Endpoint {
  /** IP address, or host name for DNS services. */
  readonly address: string;
  readonly port: number;
  readonly servicePortName: string;
  /** Labels of the workload: what subsets match. */
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly workloadName: string;
  readonly locality: Locality;
  readonly weight: number;
  readonly health: EndpointHealth;
  /** `istio` where a sidecar terminates mTLS. */
  readonly tlsMode: 'istio' | 'disabled';
  readonly network: string;
  /** A gateway that stands for endpoints of another network. */
  readonly gateway?: true;
  /** Node that the workload runs on, where that is known. */
  readonly nodeName?: string;
  /** `hostname.subdomain` of a pod that has a name of its own below that of its headless service. */
  readonly podName?: string;
}

/** Key of a service in the snapshot: one hostname may exist in several namespaces. */
export function serviceKey(service: { hostname: string; namespace: string }): string {
  return `${service.namespace}/${service.hostname}`;
}
