import type { StatsInclusion } from './stats-config.ts';

/** What the agent knows when it starts a proxy. Addresses are IP addresses or host names, ports are numbers. */
export interface BootstrapInput {
  readonly node: BootstrapNode;
  /** `delta` by default. */
  readonly xdsType?: 'delta' | 'sotw';
  /** Relative paths: Unix socket addresses end at 108 bytes. Defaults: ./etc/istio/proxy/XDS and ./var/run/secrets/workload-spiffe-uds/socket. */
  readonly xdsSocket?: string;
  readonly sdsSocket?: string;
  /** Where files are served when `sdsSocket` is another's, such as SPIRE's: cluster `sds-files-grpc`. */
  readonly sdsFilesSocket?: string;
  /** Where the admin interface listens; 127.0.0.1:15000 by default. Without network namespaces it is the pod's own address. */
  readonly adminAddress?: string;
  readonly adminPort?: number;
  /** Where the agent's status server is; 127.0.0.1:15020 by default. */
  readonly statusAddress?: string;
  readonly statusPort?: number;
  /** What the listeners on 15090 and 15021 bind; 0.0.0.0 by default. */
  readonly listenAddress?: string;
  readonly prometheusPort?: number;
  readonly readinessPort?: number;
  /** Series of Istio's metrics that stand still for so long are forgotten; never by default. */
  readonly statsEvictionMs?: number;
  /** Metrics of the proxy beside those that the mesh needs; none by default. */
  readonly stats?: StatsInclusion;
  /** `host:port` of a Zipkin collector. */
  readonly zipkin?: { readonly host: string; readonly port: number };
}

export interface BootstrapNode {
  readonly id: string;
  readonly cluster: string;
  readonly locality?: { readonly region: string; readonly zone: string; readonly sub_zone?: string };
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** `<type>~<ip>~<pod>.<namespace>~<namespace>.svc.<domain>`, the form in which Pilot parses node IDs. */
export function nodeId(node: {
  type: 'sidecar' | 'router';
  ip: string;
  podName: string;
  namespace: string;
  clusterDomain?: string;
}): string {
  return `${node.type}~${node.ip}~${node.podName}.${node.namespace}~${node.namespace}.svc.${node.clusterDomain ?? 'cluster.local'}`;
}

/** Node metadata from the environment: `ISTIO_META_X` is a string, `ISTIO_METAJSON_X` JSON that is skipped when it does not parse. */
export function metadataFromEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (name.startsWith('ISTIO_METAJSON_')) {
      try {
        out[name.slice('ISTIO_METAJSON_'.length)] = JSON.parse(value);
      } catch {
        // Metadata is advice; a proxy without one key is better than none.
      }
    } else if (name.startsWith('ISTIO_META_')) {
      out[name.slice('ISTIO_META_'.length)] = value;
    }
  }
  return out;
}
