import { comparable } from '@xebec/balancing';
import { XebecError } from '@xebec/core';
import { compileMatcherTree, type MatcherTree } from '@xebec/matching';
import type { Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { TransportSocket } from '@xebec/protos/envoy/config/core/v3/base';
import { TransportSocketNameActionSchema } from '@xebec/protos/envoy/extensions/matching/common_inputs/transport_socket/v3/transport_socket_inputs';
import type { Matcher } from '@xebec/protos/xds/type/matcher/v3/matcher';
import type { StatsScope } from '@xebec/telemetry';
import { unpack } from '../config/unpack.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { Host } from './host.ts';
import { compileUpstreamTransport, type KeepAlive, type UpstreamTransport } from './upstream-transport.ts';

interface Match {
  readonly name: string;
  readonly labels: readonly (readonly [string, string])[];
  readonly transport: UpstreamTransport;
}

/** A cluster's transport socket and those of `transport_socket_matches`. */
export class TransportMatches {
  readonly #default: UpstreamTransport;
  readonly #matches: readonly Match[];
  readonly #scope: StatsScope;
  /** Chooses among the matches by name instead of by their labels. */
  readonly #tree: MatcherTree<Match> | undefined;

  /** Throws XebecError `E_CONFIG`. */
  constructor(proto: ClusterProto, secrets: SecretStore, where: string, scope: StatsScope, autoSanValidation: boolean) {
    this.#scope = scope;
    const keepAlive = keepAliveOf(proto);
    const compile = (socket: TransportSocket | undefined, at: string): UpstreamTransport => {
      const transport = compileUpstreamTransport(socket, secrets, at, scope, autoSanValidation);
      return keepAlive === undefined ? transport : { ...transport, keepAlive };
    };
    this.#default = compile(proto.transportSocket, `${where}: transport_socket`);
    this.#matches = proto.transportSocketMatches.map((entry) => ({
      name: entry.name,
      labels: Object.entries(entry.match ?? {}).map(([name, value]) => [name, comparable(value)] as const),
      transport: compile(entry.transportSocket, `${where}: transport_socket_matches "${entry.name}"`),
    }));
    for (const { name } of this.#matches) scope.counter(`${name}.total_match_count`);
    this.#tree = proto.transportSocketMatcher === undefined ? undefined : compileTree(proto.transportSocketMatcher, this.#matches, where);
  }
  *all(): Iterable<UpstreamTransport> {
    yield this.#default;
    for (const { transport } of this.#matches) yield transport;
  }
  /** What the matcher says, or the first match whose labels the host carries, or its locality; else the cluster's own. */
  forHost(host: Host): UpstreamTransport {
    return this.#matches.length === 0 ? this.#default : (this.#matchOf(host)?.transport ?? this.#default);
  }
  /** Counts which of them a new host has. */
  countFor(host: Host): void {
    this.#scope.counter(`${this.#matchOf(host)?.name ?? 'default'}.total_match_count`).add(1);
  }
  forLabels(labels: Readonly<Record<string, unknown>>): UpstreamTransport {
    return this.#byLabels(labels)?.transport ?? this.#default;
  }
  #matchOf(host: Host): Match | undefined {
    const { metadata, ownMetadata } = host.config;
    const own = ownMetadata?.endpoint ?? metadata;
    const locality = ownMetadata?.locality ?? {};
    if (this.#tree !== undefined) return this.#tree({ endpoint: { metadata: own, localityMetadata: locality } });
    return this.#byLabels(labelsIn(own)) ?? (ownMetadata === undefined ? undefined : this.#byLabels(labelsIn(locality)));
  }
  #byLabels(labels: Readonly<Record<string, unknown>>): Match | undefined {
    return this.#matches.find((match) => match.labels.every(([name, value]) => comparable(labels[name]) === value));
  }
}

function labelsIn(metadata: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const labels = metadata['envoy.transport_socket_match'];
  return typeof labels === 'object' && labels !== null ? { ...labels } : {};
}

function compileTree(matcher: Matcher, matches: readonly Match[], where: string): MatcherTree<Match> {
  return compileMatcherTree(matcher, 'transport-socket', ({ name, typedConfig }) => {
    const chosen = unpack(typedConfig, TransportSocketNameActionSchema, `${where}: transport_socket_matcher action "${name}"`).name;
    const match = matches.find((candidate) => candidate.name === chosen);
    if (match === undefined) throw new XebecError('E_CONFIG', `${where}: transport_socket_matcher names "${chosen}", which no match has`);
    return match;
  });
}

/** Number and interval of probes stay the system's: Node sets only the idle time. */
function keepAliveOf(proto: ClusterProto): KeepAlive | undefined {
  const keepAlive = proto.upstreamConnectionOptions?.tcpKeepalive;
  return keepAlive === undefined ? undefined : { idleMs: 1000 * (keepAlive.keepaliveTime ?? 0) };
}
