import { upstreamAlpnByVersionKey, upstreamAlpnKey } from '@xebec/filters';
import { type ForwardAction, requestHeader } from '@xebec/matching';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';
import type { Cluster } from '../clusters/cluster.ts';
import type { Host } from '../clusters/host.ts';
import type { HttpPool } from '../clusters/http-pool.ts';
import { compileClientHeader } from '../clusters/proxy-header.ts';
import { metadataAt, routeCriteria } from '../clusters/route-criteria.ts';
import type { HttpProtocol } from './codecs.ts';
import type { HttpStream } from './http-stream.ts';
import { originalDestination, proxiedDestination } from './original-destination.ts';
import type { Retries } from './retries.ts';

/** The host for the next try; undefined when none can be had. */
export function chooseHost(
  stream: HttpStream,
  cluster: Cluster,
  action: ForwardAction,
  head: RequestHead,
  hash: bigint | undefined,
  { rules, tried }: Retries,
): Host | undefined {
  const { connection } = stream.info;
  const { balancing, destinationHeader, destinationMetadata } = cluster.config;
  return cluster.choose({
    hash,
    avoid: undefined,
    retry: rules.hosts === undefined || tried === undefined ? undefined : { rules: rules.hosts, tried },
    metadata: balancing.subsets === undefined ? undefined : routeCriteria(stream.clusterChoice(action).metadataMatch),
    destination: stream.settings.forwardProxy ? proxiedDestination(head, connection) : originalDestination(connection),
    header: destinationHeader === undefined ? undefined : (name) => requestHeader(head, name),
    dynamicMetadata:
      destinationMetadata === undefined ? undefined : (namespace, path) => metadataAt(stream.info.dynamicMetadata.get(namespace), path),
  });
}

/** The connections that a request takes to a host: by protocol, and by what its TLS handshake says. */
export function poolFor(stream: HttpStream, cluster: Cluster, host: Host, head: RequestHead, action: ForwardAction): HttpPool {
  const highPriority = action.priority === 'high';
  const { connect } = action;
  if (connect !== undefined && (head.method === 'CONNECT' || (connect.allowPost && head.method === 'POST'))) {
    const { proxyProtocolConfig } = connect;
    const preamble = proxyProtocolConfig === undefined ? undefined : compileClientHeader(proxyProtocolConfig)(stream.info.connection);
    return cluster.tunnelPool(host, preamble, highPriority);
  }
  const wanted: HttpProtocol = stream.version === 'HTTP/2' ? 'http2' : 'http1';
  return cluster.httpPool(host, wanted, alpnFor(stream.info, cluster, wanted), sniFor(cluster, head), highPriority);
}

/** The ALPN list that a filter left, for the version that the upstream will speak. */
function alpnFor(info: StreamInfo, cluster: Cluster, wanted: HttpProtocol): readonly string[] | undefined {
  if (info.hasFilterState === false) return undefined;
  const { filterState } = info;
  const byVersion = filterState.get(upstreamAlpnByVersionKey);
  const spoken = cluster.config.protocol === 'downstream' ? wanted : cluster.config.protocol;
  const list: unknown =
    byVersion instanceof Map ? byVersion.get(spoken === 'http2' ? 'HTTP/2' : 'HTTP/1.1') : filterState.get(upstreamAlpnKey);
  return Array.isArray(list) ? list.map(String) : undefined;
}

function sniFor(cluster: Cluster, head: RequestHead): string | undefined {
  if (!cluster.config.autoSni) return undefined;
  const { autoSniHeader } = cluster.config;
  const name = (autoSniHeader === undefined ? undefined : requestHeader(head, autoSniHeader)) ?? head.authority;
  const port = name.lastIndexOf(':');
  return port > name.lastIndexOf(']') ? name.slice(0, port) : name;
}
