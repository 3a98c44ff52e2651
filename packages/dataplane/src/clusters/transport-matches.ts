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
    this.#tree = proto.transportSocketMatcher === undefined ? undefined : compileTree(proto.transportSocketMatcher, this.#matches, where);
  }
  *all(): Iterable<UpstreamTransport> {
    yield this.#default;
    for (const { transport } of this.#matches) yield transport;
  }
  /** The first match whose labels the host's `envoy.transport_socket_match` metadata carries, else the cluster's own. */
  forHost(host: Host): UpstreamTransport {
    if (this.#matches.length === 0) return this.#default;
    if (this.#tree !== undefined) {
      const { metadata, ownMetadata } = host.config;
      const endpoint = { metadata: ownMetadata?.endpoint ?? metadata, localityMetadata: ownMetadata?.locality ?? {} };
      return this.#tree({ endpoint })?.transport ?? this.#default;
    }
    return this.forLabels(host.config.metadata['envoy.transport_socket_match'] ?? {});
  }
  /** Counts which of them a new host has. */
  countFor(host: Host): void {
    const transport = this.forHost(host);
    const name = this.#matches.find((match) => match.transport === transport)?.name ?? 'default';
    this.#scope.counter(`${name}.total_match_count`).add(1);
  }
  forLabels(labels: Readonly<Record<string, unknown>>): UpstreamTransport {
    const found = this.#matches.find((match) => match.labels.every(([name, value]) => comparable(labels[name]) === value));
    return found?.transport ?? this.#default;
  }
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
