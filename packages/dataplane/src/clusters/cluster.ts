import { fromBinary } from '@bufbuild/protobuf';
import { chooseUntried, createLoadBalancer, type LoadBalancer } from '@xebec/balancing';
import { type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import type { Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { type ClusterLoadAssignment, ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { ConnectionInfo, StatsScope } from '@xebec/telemetry';
import type { HttpProtocol } from '../http/codecs.ts';
import { addressText, hostPortText } from '../net/endpoint-address.ts';
import type { SocketInspector } from '../net/original-destination.ts';
import type { SecretStore } from '../tls/secret-store.ts';
import type { Subscribe } from '../xds-client/subscribe.ts';
import { type ClusterConfig, compileClusterConfig } from './cluster-config.ts';
import { type ClusterStats, createClusterStats } from './cluster-stats.ts';
import { DnsHosts, type ResolveName } from './dns-hosts.ts';
import { Host, type HostConfig } from './host.ts';
import { HttpPool } from './http-pool.ts';
import { hostsOfAssignment } from './load-assignment.ts';
import { OutlierDetection } from './outlier-detection.ts';
import { compileLimits, type ResourceLimits } from './resource-limits.ts';
import {
  type ConnectCallbacks,
  compileUpstreamTransport,
  connectUpstream,
  plainTransport,
  type UpstreamTransport,
} from './upstream-transport.ts';

export const endpointTypeUrl = 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment';

/** What clusters share. */
export interface ClusterEnvironment {
  readonly secrets: SecretStore;
  readonly subscribe: Subscribe;
  readonly stats: StatsScope;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly resolve: ResolveName;
  readonly inspector: SocketInspector | undefined;
}

/** How one request wants its host. */
export interface HostRequest {
  /** From the route's hash policies; undefined when none applied. */
  readonly hash: bigint | undefined;
  /** Hosts that earlier attempts used, when the retry policy avoids them. */
  readonly avoid: ReadonlySet<Host> | undefined;
  /** ORIGINAL_DST: where the client's connection was going. */
  readonly destination: { readonly address: string; readonly port: number } | undefined;
  /** ORIGINAL_DST with a header: reads a request header. */
  readonly header: ((name: string) => string | undefined) | undefined;
}

interface TransportMatch {
  readonly match: readonly (readonly [string, unknown])[];
  readonly transport: UpstreamTransport;
}

/** A cluster at work: its hosts, their pools and limits. */
export class Cluster {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly limits: ResourceLimits;
  readonly highLimits: ResourceLimits;
  readonly version: string;
  /** Last load assignment, for `config_dump?include_eds`. */
  assignment: ClusterLoadAssignment | undefined;
  readonly #environment: ClusterEnvironment;
  readonly #hosts = new Map<string, Host>();
  /** Built when it is next needed after hosts or their health changed. */
  #balancer: LoadBalancer<Host> | undefined;
  /** One for all choices: balancers do not keep it. */
  readonly #choice: { hash: bigint | undefined; attempt: number; readonly random: Random };
  readonly #transport: UpstreamTransport;
  readonly #matches: readonly TransportMatch[];
  readonly outliers: OutlierDetection | undefined;
  readonly #stops: (() => void)[] = [];
  #overprovisioning = 140;
  #populated = false;
  #announced = false;
  #onReady: (() => void) | undefined;
  #closed = false;

  /** Throws XebecError `E_CONFIG`. */
  constructor(proto: ClusterProto, version: string, environment: ClusterEnvironment) {
    this.config = compileClusterConfig(proto);
    this.version = version;
    this.#environment = environment;
    const where = `cluster "${proto.name}"`;
    this.stats = createClusterStats(environment.stats.scope(`cluster.${this.config.statName}`));
    this.limits = compileLimits(proto.circuitBreakers, 'default', this.stats.scope);
    this.highLimits = compileLimits(proto.circuitBreakers, 'high', this.stats.scope);
    this.#choice = { hash: undefined, attempt: 0, random: environment.random };
    this.#transport = compileUpstreamTransport(proto.transportSocket, environment.secrets, `${where}: transport_socket`);
    this.#matches = proto.transportSocketMatches.map((entry) => ({
      match: Object.entries(entry.match ?? {}),
      transport: compileUpstreamTransport(entry.transportSocket, environment.secrets, `${where}: transport_socket_matches "${entry.name}"`),
    }));
    this.outliers =
      proto.outlierDetection === undefined
        ? undefined
        : new OutlierDetection(proto.outlierDetection, environment.clock, environment.random, () => this.#refresh(), this.stats.scope);
    if (proto.loadAssignment !== undefined) hostsOfAssignment(proto.loadAssignment);
  }
  /** Begins discovery; `onReady` is called once, when hosts and secrets are there (or told not to come). */
  start(onReady: () => void): void {
    this.#onReady = onReady;
    for (const transport of this.#transports()) if (transport.tls !== undefined) transport.tls.context.onReady = () => this.#checkReady();
    const { proto, discovery } = this.config;
    switch (discovery) {
      case 'eds':
        this.#watchEndpoints();
        break;
      case 'strict-dns':
      case 'logical-dns':
        this.#resolveNames();
        break;
      default:
        if (proto.loadAssignment !== undefined) this.#overprovision(proto.loadAssignment);
        this.setHosts(proto.loadAssignment === undefined ? [] : hostsOfAssignment(proto.loadAssignment));
    }
    this.#checkReady();
  }
  get hosts(): Iterable<Host> {
    return this.#hosts.values();
  }
  /** A host for the request, or undefined when none is healthy. */
  choose(request: HostRequest): Host | undefined {
    if (this.config.discovery === 'original-dst') return this.#originalHost(request);
    const { hash, avoid } = request;
    return avoid === undefined || avoid.size === 0
      ? this.#chooseBy(hash, 0)
      : chooseUntried((attempt) => this.#chooseBy(hash, attempt), avoid);
  }
  /** Whether requests are sent by their hash. */
  get usesHash(): boolean {
    const { kind } = this.config.balancing.policy;
    return kind === 'ring-hash' || kind === 'maglev';
  }
  /** The pool for one host; `wanted` is what the downstream speaks. */
  httpPool(host: Host, wanted: HttpProtocol, alpn: readonly string[] | undefined, sni: string | undefined, high: boolean): HttpPool {
    const { protocol } = this.config;
    const spoken = protocol === 'downstream' ? wanted : protocol;
    const transport = this.transportFor(host);
    const key = `${spoken}${high ? '!' : ''}${transport.tls === undefined ? '' : `|${alpn?.join() ?? ''}|${sni ?? ''}`}`;
    let pool = host.pools.get(key);
    if (pool === undefined) {
      pool = new HttpPool(host, {
        protocol: spoken,
        transport,
        alpn,
        sni,
        limits: high ? this.highLimits : this.limits,
        stats: this.stats,
        connectTimeoutMs: this.config.connectTimeoutMs,
        maxRequestsPerConnection: this.config.maxRequestsPerConnection,
        idleTimeoutMs: this.config.idleTimeoutMs,
        localAddress: this.config.localAddress,
        clock: this.#environment.clock,
        inspector: this.#environment.inspector,
      });
      host.pools.set(key, pool);
    }
    return pool;
  }
  /** A connection of its own, for tcp_proxy. Count it with `limits.connections` until it ends. */
  connectTcp(
    host: Host,
    alpn: readonly string[] | undefined,
    callbacks: ConnectCallbacks,
    downstream?: ConnectionInfo,
  ): { abandon(): void } {
    const { connectTimeoutMs, localAddress } = this.config;
    return connectUpstream(
      host.config.address,
      this.transportFor(host),
      { timeoutMs: connectTimeoutMs, alpn, defaultAlpn: [], sni: undefined, localAddress, downstream },
      callbacks,
    );
  }
  /** The first transport match whose labels the host's `envoy.transport_socket_match` metadata carries, else the cluster's own. */
  transportFor(host: Host): UpstreamTransport {
    if (this.#matches.length === 0) return this.#transport;
    const labels = host.config.metadata['envoy.transport_socket_match'] ?? {};
    const found = this.#matches.find(({ match }) => match.every(([key, value]) => labels[key] === value));
    return found?.transport ?? (this.#transport === plainTransport ? plainTransport : this.#transport);
  }
  setHosts(configs: readonly HostConfig[]): void {
    if (this.#closed) return;
    const wanted = new Map<string, HostConfig>();
    for (const config of configs) wanted.set(addressText(config.address), this.#withHashKey(config));
    let changed = false;
    let rebuild = !this.#populated;
    for (const [text, host] of this.#hosts) {
      if (wanted.has(text)) continue;
      this.#hosts.delete(text);
      host.remove();
      changed = true;
    }
    for (const [text, config] of wanted) {
      const existing = this.#hosts.get(text);
      if (existing === undefined) {
        this.#hosts.set(text, new Host(config, this.#environment.clock.monotonic()));
        changed = true;
        continue;
      }
      // Another transport (auto mTLS switched) must not reuse the old connections.
      const before = this.transportFor(existing);
      rebuild ||= balancesDifferently(existing.config, config);
      existing.config = config;
      if (this.transportFor(existing) !== before) this.#retirePools(existing);
    }
    if (changed) this.stats.membershipChange.add(1);
    this.#populated = true;
    if (changed || rebuild) {
      this.outliers?.setHosts([...this.#hosts.values()]);
      this.#refresh();
    }
    this.#checkReady();
  }
  /** No new requests come: idle connections close, busy ones finish. */
  drain(): void {
    this.#stop();
    for (const host of this.#hosts.values()) host.remove();
  }
  close(): void {
    this.#stop();
    for (const host of this.#hosts.values()) for (const pool of host.pools.values()) pool.close();
  }
  get ready(): boolean {
    if (!this.#populated) return false;
    for (const transport of this.#transports()) if (transport.tls !== undefined && !transport.tls.context.ready) return false;
    return true;
  }
  #stop(): void {
    this.#closed = true;
    this.outliers?.close();
    for (const stop of this.#stops) stop();
    this.#stops.length = 0;
    for (const transport of this.#transports()) transport.tls?.context.close();
  }
  #retirePools(host: Host): void {
    for (const pool of host.pools.values()) pool.drain();
    host.pools.clear();
  }
  *#transports(): Iterable<UpstreamTransport> {
    yield this.#transport;
    for (const { transport } of this.#matches) yield transport;
  }
  #chooseBy(hash: bigint | undefined, attempt: number): Host | undefined {
    this.#balancer ??= this.#createBalancer();
    this.#choice.hash = hash;
    this.#choice.attempt = attempt;
    return this.#balancer.choose(this.#choice);
  }
  #createBalancer(): LoadBalancer<Host> {
    const { policy, panicPercent, localityWeighted } = this.config.balancing;
    const { clock } = this.#environment;
    return createLoadBalancer([...this.#hosts.values()], {
      policy,
      panicPercent,
      overprovisioning: this.#overprovisioning,
      localityWeightOf: localityWeighted ? (host) => host.config.localityWeight : undefined,
      now: () => clock.monotonic(),
    });
  }
  /** A changed factor counts with the hosts that come with it. */
  #overprovision(assignment: ClusterLoadAssignment): void {
    const percent = assignment.policy?.overprovisioningFactor ?? 140;
    if (percent !== this.#overprovisioning) this.#balancer = undefined;
    this.#overprovisioning = percent;
  }
  #withHashKey(config: HostConfig): HostConfig {
    return this.config.balancing.hashesHostname && config.hostname !== '' ? { ...config, hashKey: config.hostname } : config;
  }
  #refresh(): void {
    this.#balancer = undefined;
    let healthy = 0;
    for (const host of this.#hosts.values()) if (host.healthy) healthy++;
    this.stats.membershipTotal.set(this.#hosts.size);
    this.stats.membershipHealthy.set(healthy);
  }
  #checkReady(): void {
    if (this.#announced || !this.ready) return;
    this.#announced = true;
    this.#onReady?.();
  }
  #watchEndpoints(): void {
    const eds = this.config.proto.edsClusterConfig;
    if (eds?.edsConfig === undefined)
      throw new XebecError('E_CONFIG', `cluster "${this.config.name}": eds_cluster_config.eds_config is missing`);
    const name = eds.serviceName === '' ? this.config.name : eds.serviceName;
    this.#stops.push(
      this.#environment.subscribe(eds.edsConfig, endpointTypeUrl, name, {
        onResource: (any) => {
          try {
            const assignment = fromBinary(ClusterLoadAssignmentSchema, any.value);
            const hosts = hostsOfAssignment(assignment);
            this.#overprovision(assignment);
            this.setHosts(hosts);
            this.assignment = assignment;
            return undefined;
          } catch (error) {
            return errorText(error);
          }
        },
        onRemoved: () => this.setHosts([]),
      }),
    );
    const initialMs = eds.edsConfig.initialFetchTimeout;
    const timeoutMs = initialMs === undefined ? 15_000 : Number(initialMs.seconds) * 1000 + initialMs.nanos / 1e6;
    if (timeoutMs === 0) return;
    this.#stops.push(
      this.#environment.clock.setTimeout(() => {
        if (!this.#populated) this.setHosts([]);
      }, timeoutMs),
    );
  }
  #resolveNames(): void {
    const { proto, discovery, dnsFamily, dnsRefreshMs } = this.config;
    const dns = new DnsHosts({
      templates: proto.loadAssignment === undefined ? [] : hostsOfAssignment(proto.loadAssignment),
      onlyFirst: discovery === 'logical-dns',
      family: dnsFamily,
      refreshMs: dnsRefreshMs,
      resolve: this.#environment.resolve,
      clock: this.#environment.clock,
      logger: this.#environment.logger,
      onHosts: (hosts) => this.setHosts(hosts),
    });
    this.#stops.push(() => dns.close());
  }
  #originalHost(request: HostRequest): Host | undefined {
    const { destinationHeader, destinationPort } = this.config;
    let destination = request.destination;
    if (destinationHeader !== undefined) {
      const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(request.header?.(destinationHeader) ?? '');
      if (match?.[1] !== undefined) destination = { address: match[1], port: Number(match[2]) };
    }
    if (destination === undefined) return undefined;
    const port = destinationPort ?? destination.port;
    const text = hostPortText(destination.address, port);
    let host = this.#hosts.get(text);
    if (host === undefined) {
      const config: HostConfig = {
        address: { kind: 'tcp', address: destination.address, port },
        hostname: '',
        weight: 1,
        priority: 0,
        locality: undefined,
        localityWeight: 0,
        health: 'healthy',
        metadata: {},
      };
      host = new Host(config, this.#environment.clock.monotonic());
      this.#hosts.set(text, host);
      this.#forgetUnusedHosts();
    }
    return host;
  }
  /** Hosts made on demand go when nothing is connected to them; looked at whenever another one comes. */
  #forgetUnusedHosts(): void {
    if (this.#hosts.size < 64) return;
    for (const [text, host] of this.#hosts) {
      if (host.activeConnections > 0 || host.activeRequests > 0 || this.#hosts.size < 64) continue;
      this.#hosts.delete(text);
    }
  }
}

/** Whether the balancer must be built anew for a host's new configuration. */
function balancesDifferently(before: HostConfig, after: HostConfig): boolean {
  if (before.weight !== after.weight || before.priority !== after.priority || before.health !== after.health) return true;
  if (before.localityWeight !== after.localityWeight || before.hashKey !== after.hashKey) return true;
  const [a, b] = [before.locality, after.locality];
  if (a?.region !== b?.region || a?.zone !== b?.zone || a?.subZone !== b?.subZone) return true;
  return before.metadata['envoy.lb']?.['hash_key'] !== after.metadata['envoy.lb']?.['hash_key'];
}
