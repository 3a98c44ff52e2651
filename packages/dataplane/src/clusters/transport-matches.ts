import { comparable } from '@xebec/balancing';
import type { Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { SecretStore } from '../tls/secret-store.ts';
import type { Host } from './host.ts';
import { compileUpstreamTransport, type UpstreamTransport } from './upstream-transport.ts';

interface Match {
  readonly labels: readonly (readonly [string, string])[];
  readonly transport: UpstreamTransport;
}

/** A cluster's transport socket and those of `transport_socket_matches`. */
export class TransportMatches {
  readonly #default: UpstreamTransport;
  readonly #matches: readonly Match[];

  /** Throws XebecError `E_CONFIG`. */
  constructor(proto: ClusterProto, secrets: SecretStore, where: string) {
    this.#default = compileUpstreamTransport(proto.transportSocket, secrets, `${where}: transport_socket`);
    this.#matches = proto.transportSocketMatches.map((entry) => ({
      labels: Object.entries(entry.match ?? {}).map(([name, value]) => [name, comparable(value)] as const),
      transport: compileUpstreamTransport(entry.transportSocket, secrets, `${where}: transport_socket_matches "${entry.name}"`),
    }));
  }
  *all(): Iterable<UpstreamTransport> {
    yield this.#default;
    for (const { transport } of this.#matches) yield transport;
  }
  /** The first match whose labels the host's `envoy.transport_socket_match` metadata carries, else the cluster's own. */
  forHost(host: Host): UpstreamTransport {
    if (this.#matches.length === 0) return this.#default;
    return this.forLabels(host.config.metadata['envoy.transport_socket_match'] ?? {});
  }
  forLabels(labels: Readonly<Record<string, unknown>>): UpstreamTransport {
    const found = this.#matches.find((match) => match.labels.every(([name, value]) => comparable(labels[name]) === value));
    return found?.transport ?? this.#default;
  }
}
