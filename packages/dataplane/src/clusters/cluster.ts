import { healthByPriority, metadataCriteria, type PriorityHealth } from '@xebec/balancing';
import { XebecError } from '@xebec/core';
import type { ExchangeParts } from '@xebec/filters';
import type { Cluster as ClusterProto } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import type { ClusterLoadAssignment, ClusterLoadAssignment_Policy_DropOverload } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import type { ConnectionInfo } from '@xebec/telemetry';
import type { HttpProtocol } from '../http/codecs.ts';
import { addressText } from '../net/endpoint-address.ts';
import { AggregateHosts } from './aggregate-hosts.ts';
import { type ClusterConfig, compileClusterConfig } from './cluster-config.ts';
import type { ClusterEnvironment } from './cluster-environment.ts';
import { type ClusterStats, createClusterStats } from './cluster-stats.ts';
import { DnsHosts } from './dns-hosts.ts';
import { createNameServerResolver, type ResolveFamily, resolveByFamily } from './dns-resolver.ts';
import { discoverEndpoints } from './endpoint-discovery.ts';
import { compileHealthCheck } from './health-check/health-check-config.ts';
import { HealthChecker } from './health-check/health-checker.ts';
import type { HealthTransition } from './health-check/health-session.ts';
import { Host, type HostConfig } from './host.ts';
import type { ActiveHealth } from './host-health.ts';
import { type HostRequest, HostSelection } from './host-selection.ts';
import { HttpPool } from './http-pool.ts';
import { hostsOfAssignment } from './load-assignment.ts';
import { OriginalDestinationHosts } from './original-destination-hosts.ts';
import { type HostOutliers, OutlierDetection } from './outlier-detection.ts';
import { applyOutlierReport, type OutlierReport, RelayedOutliers } from './relayed-outliers.ts';
import { compileLimits, type ResourceLimits } from './resource-limits.ts';
import { TransportMatches } from './transport-matches.ts';
import { type ConnectCallbacks, connectUpstream, type UpstreamTransport } from './upstream-transport.ts';

export type { ClusterEnvironment } from './cluster-environment.ts';
export { endpointTypeUrl } from './endpoint-discovery.ts';
export type { HostRequest } from './host-selection.ts';

/** A cluster at work: its hosts, their health, pools and limits. */
export class Cluster {
  readonly config: ClusterConfig;
  readonly stats: ClusterStats;
  readonly limits: ResourceLimits;
  readonly highLimits: ResourceLimits;
  readonly version: string;
  readonly outliers: HostOutliers | undefined;
  readonly checker: HealthChecker | undefined;
  /** Last load assignment, for `config_dump?include_eds`. */
  assignment: ClusterLoadAssignment | undefined;
  readonly #environment: ClusterEnvironment;
  readonly #hosts = new Map<string, Host>();
  readonly #selection: HostSelection;
  readonly #transports: TransportMatches;
  readonly #originals: OriginalDestinationHosts | undefined;
  readonly #aggregate: AggregateHosts<Cluster> | undefined;
  #levels: readonly PriorityHealth[] | undefined;
  readonly #stops: (() => void)[] = [];
  #publishedEjections = '';
  #dropOverloads: readonly ClusterLoadAssignment_Policy_DropOverload[] = [];
  #populated = false;
  /** Of any host that has joined. */
  #maxWeight = 0;
  #hadTraffic = false;
  #announced = false;
  #onReady: (() => void) | undefined;
  #closed = false;

  /** Throws XebecError `E_CONFIG`. */
  constructor(proto: ClusterProto, version: string, environment: ClusterEnvironment) {
    this.config = compileClusterConfig(proto, environment.bindConfig);
    this.version = version;
    this.#environment = environment;
    const { clock, random, logger } = environment;
    const where = `cluster "${proto.name}"`;
    for (const note of this.config.balancing.notes) logger.warn({ cluster: proto.name }, note);
    this.stats = createClusterStats(environment.stats.scope(`cluster.${this.config.statName}`));
    const { scope } = this.stats;
    const shared = environment.counters === undefined ? undefined : { clusterName: proto.name, counters: environment.counters };
    this.limits = compileLimits(proto.circuitBreakers, 'default', scope, shared);
    this.highLimits = compileLimits(proto.circuitBreakers, 'high', scope, shared);
    this.#transports = new TransportMatches(proto, environment.secrets, where, scope, this.config.autoSanValidation);
    const balancing = this.config.balancing;
    this.#selection = new HostSelection({
      balancing,
      clock,
      random,
      stats: scope,
      zone: this.#zoneAwareness(),
      hosts: () => [...this.#hosts.values()],
    });
    if (this.config.discovery === 'original-dst')
      this.#originals = new OriginalDestinationHosts(this.config, this.#hosts, clock, scope, () => this.#onHostsChanged());
    const { findCluster } = environment;
    if (this.config.discovery === 'aggregate' && findCluster !== undefined)
      this.#aggregate = new AggregateHosts({ names: this.config.members, find: findCluster, panicPercent: balancing.panicPercent, random });
    this.outliers = this.#createOutliers(proto);
    this.checker = this.#createChecker(proto, where);
    if (proto.loadAssignment !== undefined) hostsOfAssignment(proto.loadAssignment);
  }
  /** Begins discovery; `onReady` is called once, when hosts, their first checks and secrets are there (or told not to come). */
  start(onReady: () => void): void {
    this.#onReady = onReady;
    for (const transport of this.#transports.all())
      if (transport.tls !== undefined) transport.tls.context.onReady = () => this.#checkReady();
    const { proto, discovery } = this.config;
    const { clock, subscribe } = this.#environment;
    switch (discovery) {
      case 'eds':
        this.#stops.push(
          discoverEndpoints({
            proto,
            clock,
            subscribe,
            stats: this.stats.scope,
            onAssignment: (assignment, hosts) => {
              this.#applyPolicy(assignment);
              this.setHosts(hosts);
              this.assignment = assignment;
            },
            onNothing: () => this.setHosts([]),
          }),
        );
        break;
      case 'strict-dns':
      case 'logical-dns':
        this.#resolveNames();
        break;
      default:
        if (proto.loadAssignment !== undefined) this.#applyPolicy(proto.loadAssignment);
        this.setHosts(proto.loadAssignment === undefined ? [] : hostsOfAssignment(proto.loadAssignment));
    }
    this.#checkReady();
  }
  get hosts(): Iterable<Host> {
    return this.#hosts.values();
  }
  /** A host for the request, or undefined when none is healthy. */
  choose(request: HostRequest): Host | undefined {
    if (this.#aggregate !== undefined) return this.#aggregate.choose(request);
    return this.#originals === undefined ? this.#selection.choose(request) : this.#originals.choose(request);
  }
  /** Whose pools, limits and health a chosen host belongs to: this cluster's, or those of a member of an aggregate. */
  ownerOf(host: Host): Cluster {
    return this.#aggregate === undefined ? this : (this.#aggregate.ownerOf(host)?.ownerOf(host) ?? this);
  }
  /** How healthy each priority is. An aggregate has no hosts of its own, so that another aggregate passes it over, as in Envoy. */
  get levels(): readonly PriorityHealth[] {
    if (this.#aggregate !== undefined) return [];
    this.#levels ??= healthByPriority([...this.#hosts.values()], this.#selection.weightedPriorityHealth);
    return this.#levels;
  }
  /** Whether requests are sent by their hash. */
  get usesHash(): boolean {
    if (this.#aggregate !== undefined) return this.#aggregate.usesHash;
    const { kind } = this.config.balancing.policy;
    return kind === 'ring-hash' || kind === 'maglev';
  }
  /** Whether this request is among those that EDS wants dropped; `all` where that is every one. */
  dropsOverload(): 'all' | 'some' | undefined {
    const { random } = this.#environment;
    for (const { dropPercentage } of this.#dropOverloads) {
      if (dropPercentage === undefined) continue;
      const of = [100, 10_000, 1_000_000][dropPercentage.denominator] ?? 100;
      if (dropPercentage.numerator >= of) return 'all';
      if (random.next() * of < dropPercentage.numerator) return 'some';
    }
    return undefined;
  }
  /** The pool for one host; `wanted` is what the downstream speaks. */
  httpPool(host: Host, wanted: HttpProtocol, alpn: readonly string[] | undefined, sni: string | undefined, high: boolean): HttpPool {
    const { protocol } = this.config;
    const spoken = protocol === 'downstream' ? wanted : protocol;
    const transport = this.transportFor(host);
    const serverName = sni ?? (transport.tls?.sniFromHost === true && host.config.hostname !== '' ? host.config.hostname : undefined);
    const key = `${spoken}${high ? '!' : ''}${transport.tls === undefined ? '' : `|${alpn?.join() ?? ''}|${serverName ?? ''}`}`;
    let pool = host.pools.get(key);
    if (pool === undefined) {
      pool = new HttpPool(host, {
        protocol: spoken,
        transport,
        alpn,
        unspoken: this.config.exchangeProtocol,
        sni: serverName,
        limits: high ? this.highLimits : this.limits,
        stats: this.stats,
        connectTimeoutMs: this.config.connectTimeoutMs,
        maxRequestsPerConnection: this.config.maxRequestsPerConnection,
        idleTimeoutMs: this.config.idleTimeoutMs,
        maxHostConnections: this.config.maxHostConnections,
        maxConnectionMs: this.config.maxConnectionMs,
        codec: this.config.codec,
        localAddress: this.config.localAddress,
        clock: this.#environment.clock,
        inspector: this.#environment.inspector,
      });
      host.pools.set(key, pool);
    }
    return pool;
  }
  /** Gives one request a TCP connection of its own, which begins with `preamble`. */
  tunnelPool(host: Host, preamble: Buffer | undefined, high: boolean): HttpPool {
    const { connectTimeoutMs, maxHostConnections, localAddress, exchangeProtocol } = this.config;
    return new HttpPool(host, {
      protocol: 'tcp',
      transport: this.transportFor(host),
      alpn: undefined,
      unspoken: exchangeProtocol,
      sni: undefined,
      limits: high ? this.highLimits : this.limits,
      stats: this.stats,
      connectTimeoutMs,
      maxRequestsPerConnection: 0,
      idleTimeoutMs: 0,
      maxHostConnections,
      maxConnectionMs: 0,
      codec: { preamble },
      localAddress,
      clock: this.#environment.clock,
      inspector: undefined,
    });
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
  /** What a TCP connection begins with whose ALPN is `alpn`; undefined where nothing does. */
  exchangeFor(alpn: string): ExchangeParts | undefined {
    return alpn === this.config.exchangeProtocol ? this.#environment.exchange?.() : undefined;
  }
  transportFor(host: Host): UpstreamTransport {
    return this.#transports.forHost(host);
  }
  setHosts(configs: readonly HostConfig[]): void {
    if (this.#closed) return;
    const wanted = new Map<string, HostConfig>();
    // A host that is there twice is where it was named first.
    for (const config of configs) {
      const text = addressText(config.address);
      if (!wanted.has(text)) wanted.set(text, this.#withHashKey(config));
    }
    let changed = false;
    /** Priorities whose hosts come or go. */
    const touched = new Set<number>();
    let rebuild = !this.#populated;
    for (const [text, host] of this.#hosts) {
      const next = wanted.get(text);
      if (next !== undefined && !isAnotherHost(host.config, next)) continue;
      // Who still answers its checks may be known to nobody but us: discovery alone does not end it.
      if (
        next === undefined &&
        this.checked &&
        !this.config.proto.ignoreHealthOnHostRemoval &&
        !host.active.failed &&
        !host.config.check.disabled
      ) {
        host.removing = true;
        continue;
      }
      this.#removeHost(host);
      touched.add(host.priority);
      changed = true;
    }
    for (const [text, config] of wanted) {
      const existing = this.#hosts.get(text);
      if (existing === undefined) {
        const host = new Host(config, this.#environment.clock.monotonic());
        host.active.pending = this.checked && this.config.balancing.ignoresUnchecked && !config.check.disabled;
        if (this.checked && this.checker === undefined && !config.check.disabled) {
          // Healthy only when the thread that checks says so.
          host.active.failed = true;
          Object.assign(host.active, this.#environment.knownHealth?.(this.config.name, text));
        }
        host.ejected = this.#environment.knownEjected?.(this.config.name, text) === true;
        this.#hosts.set(text, host);
        this.#transports.countFor(host);
        touched.add(config.priority);
        this.#maxWeight = Math.max(this.#maxWeight, config.weight);
        changed = true;
        continue;
      }
      // Another transport (auto mTLS switched) must not reuse the old connections.
      const before = this.transportFor(existing);
      rebuild ||= balancesDifferently(existing.config, config);
      if (existing.config.priority !== config.priority) touched.add(existing.config.priority).add(config.priority);
      existing.config = config;
      existing.removing = false;
      if (this.transportFor(existing) !== before) this.#retirePools(existing);
    }
    // Envoy leaves it at 0 where hosts are static.
    if (this.config.discovery !== 'static') this.stats.scope.gauge('max_host_weight').set(this.#maxWeight);
    if (touched.size > 0) this.stats.membershipChange.add(touched.size);
    if (changed && this.config.balancing.closesOnHostSetChange) for (const host of this.#hosts.values()) this.#retirePools(host);
    this.#populated = true;
    if (changed || !this.#announced) this.#onHostsChanged();
    else if (rebuild) this.#healthChanged();
    this.#checkReady();
  }
  /** Takes over what another thread's checks found out, by host text. */
  applyHealth(health: ReadonlyMap<string, ActiveHealth>): void {
    for (const [text, active] of health) {
      const host = this.#hosts.get(text);
      if (host === undefined) continue;
      const recovered = host.active.failed && !active.failed;
      Object.assign(host.active, active);
      if (recovered) {
        host.healthySinceMs = this.#environment.clock.monotonic();
        this.outliers?.onHealthy(host);
      }
      if (host.removing && active.failed) this.#removeHost(host);
    }
    this.#healthChanged();
  }
  /** What the checks of this thread found out, by host text; for other threads. */
  health(): ReadonlyMap<string, ActiveHealth> {
    return new Map([...this.#hosts].map(([text, host]) => [text, { ...host.active }]));
  }
  /** Takes over what workers saw of hosts. */
  applyOutlierReport(report: OutlierReport): void {
    if (this.outliers instanceof OutlierDetection) applyOutlierReport(report, this.outliers, this.#hosts.values());
  }
  /** Takes over whom another thread has ejected, by host text. */
  applyEjections(hosts: readonly string[]): void {
    for (const host of this.#hosts.values()) host.ejected = hosts.includes(host.text);
    this.#healthChanged();
  }
  /** A response of the host carried `x-envoy-immediate-health-check-fail`. */
  failPassively(hostText: string): void {
    const host = this.#hosts.get(hostText);
    if (host === undefined || !this.checked) return;
    if (this.checker === undefined) this.#environment.reportPassiveFailure?.(this.config.name, hostText);
    else this.checker.failPassively(host);
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
    if (!this.#populated || this.checker?.settled === false) return false;
    for (const transport of this.#transports.all()) if (transport.tls !== undefined && !transport.tls.context.settled) return false;
    return true;
  }
  /** By this thread or another. */
  get checked(): boolean {
    return this.config.proto.healthChecks.length > 0;
  }
  #stop(): void {
    this.#closed = true;
    this.outliers?.close();
    this.checker?.close();
    this.#originals?.close();
    this.#selection.close();
    for (const stop of this.#stops) stop();
    this.#stops.length = 0;
    for (const transport of this.#transports.all()) transport.tls?.context.close();
  }
  #removeHost(host: Host): void {
    this.#hosts.delete(host.text);
    host.remove();
  }
  #retirePools(host: Host): void {
    for (const pool of host.pools.values()) pool.drain();
    host.pools.clear();
  }
  #onHostsChanged(): void {
    this.outliers?.setHosts([...this.#hosts.values()]);
    this.#publishEjections();
    this.checker?.setHosts(this.#hosts.values());
    this.#refresh();
  }
  #applyPolicy(assignment: ClusterLoadAssignment): void {
    this.#selection.overprovisioning = assignment.policy?.overprovisioningFactor ?? 140;
    this.#selection.weightedPriorityHealth = assignment.policy?.weightedPriorityHealth ?? false;
    this.#dropOverloads = assignment.policy?.dropOverloads ?? [];
    this.#selection.invalidate();
  }
  #withHashKey(config: HostConfig): HostConfig {
    return this.config.balancing.hashesHostname && config.hostname !== '' ? { ...config, hashKey: config.hostname } : config;
  }
  #healthChanged(): void {
    this.#selection.invalidateLater();
    this.#countMembers();
  }
  #refresh(): void {
    this.#selection.invalidate();
    this.#countMembers();
  }
  #countMembers(): void {
    this.#levels = undefined;
    let healthy = 0;
    let degraded = 0;
    let excluded = 0;
    for (const host of this.#hosts.values()) {
      if (host.excluded) excluded++;
      if (host.ejected) continue;
      const { health } = host;
      if (health === 'healthy') healthy++;
      else if (health === 'degraded') degraded++;
    }
    this.stats.membershipTotal.set(this.#hosts.size);
    this.stats.membershipHealthy.set(healthy);
    this.stats.membershipDegraded.set(degraded);
    this.stats.membershipExcluded.set(excluded);
  }
  #checkReady(): void {
    if (this.#announced || !this.ready) return;
    this.#announced = true;
    this.#onReady?.();
  }
  #createOutliers(proto: ClusterProto): HostOutliers | undefined {
    const { clock, random, reportOutliers } = this.#environment;
    if (proto.outlierDetection === undefined) return undefined;
    if (reportOutliers !== undefined) return new RelayedOutliers(clock, (report) => reportOutliers(proto.name, report));
    const onChange = (): void => {
      this.#healthChanged();
      this.#publishEjections();
    };
    return new OutlierDetection(proto.outlierDetection, clock, random, onChange, this.stats.scope);
  }
  #publishEjections(): void {
    const { publishEjections } = this.#environment;
    if (publishEjections === undefined || this.outliers === undefined) return;
    const ejected = [...this.#hosts.values()].filter((host) => host.ejected).map(({ text }) => text);
    if (ejected.join() === this.#publishedEjections) return;
    this.#publishedEjections = ejected.join();
    publishEjections(this.config.name, ejected);
  }
  #createChecker(proto: ClusterProto, where: string): HealthChecker | undefined {
    const [check, second] = proto.healthChecks;
    if (check === undefined || this.#environment.checksElsewhere === true) return undefined;
    if (second !== undefined) throw new XebecError('E_CONFIG', `${where}: multiple health checks not supported`);
    const { clock, random, logger } = this.#environment;
    const config = compileHealthCheck(check, `${where}: health_checks[0]`);
    return new HealthChecker({
      config,
      clusterName: proto.name,
      clock,
      random,
      logger,
      stats: this.stats.scope,
      hasTraffic: () => {
        // Connections of other threads are seen only while they are there.
        this.#hadTraffic ||= this.stats.cxTotal.value > 0 || this.limits.connections.used > 0;
        return this.#hadTraffic;
      },
      connect: (host, address, alpn, callbacks) => {
        const transport =
          config.transportCriteria === undefined ? this.transportFor(host) : this.#transports.forLabels(config.transportCriteria);
        const { connectTimeoutMs, localAddress, exchangeProtocol } = this.config;
        return connectUpstream(
          address,
          transport,
          { timeoutMs: connectTimeoutMs, alpn: undefined, defaultAlpn: alpn, unspoken: exchangeProtocol, sni: undefined, localAddress },
          callbacks,
        );
      },
      onChange: (host, transition) => this.#onHealth(host, transition),
    });
  }
  #onHealth(host: Host, transition: HealthTransition): void {
    if (transition.changed) {
      if (transition.healthy) host.healthySinceMs = this.#environment.clock.monotonic();
      else if (this.config.proto.closeConnectionsOnHostHealthFailure) {
        for (const pool of host.pools.values()) pool.close();
        host.pools.clear();
      }
    }
    if (transition.healthy && !host.active.failed) this.outliers?.onHealthy(host);
    if (host.removing && host.active.failed) {
      this.#removeHost(host);
      this.stats.membershipChange.add(1);
      this.#onHostsChanged();
    } else if (transition.changed || transition.degradedChanged || transition.first) {
      // Before the cluster is in use nobody has to wait for what the first checks say.
      if (this.#announced) this.#healthChanged();
      else this.#refresh();
    }
    this.#environment.publishHealth?.(this.config.name, this.health());
    this.#checkReady();
  }
  #zoneAwareness() {
    const { own } = this.#environment;
    const { zone, panicPercent } = this.config.balancing;
    if (own === undefined || zone === undefined || own.clusterName === this.config.name) return undefined;
    return {
      ...zone,
      ownLocality: own.locality,
      peers: () => {
        const byLocality = new Map<string, number>();
        let total = 0;
        let healthy = 0;
        for (const host of own.hosts() ?? []) {
          total++;
          if (!host.healthy) continue;
          healthy++;
          byLocality.set(host.locality, (byLocality.get(host.locality) ?? 0) + 1);
        }
        return { byLocality, inPanic: total > 0 && (100 * healthy) / total < panicPercent };
      },
    };
  }
  #resolveNames(): void {
    const { proto, discovery, dns } = this.config;
    const { clock, random, logger, resolve } = this.#environment;
    const ask: ResolveFamily =
      dns.respectTtl || dns.servers.length > 0
        ? createNameServerResolver(dns.servers, resolve)
        : async (name, family) => ({ addresses: await resolve(name, family) });
    const hosts = new DnsHosts({
      templates: proto.loadAssignment === undefined ? [] : hostsOfAssignment(proto.loadAssignment),
      onlyFirst: discovery === 'logical-dns',
      refreshMs: dns.refreshMs,
      jitterMs: dns.jitterMs,
      failureRefresh: dns.failureRefresh,
      respectTtl: dns.respectTtl,
      clock,
      random,
      logger,
      stats: this.stats.scope,
      resolve: (name) => resolveByFamily(name, dns.family, ask),
      onHosts: (found) => this.setHosts(found),
    });
    this.#stops.push(() => hosts.close());
  }
}

/** A host that is somewhere else, or has another name, begins anew with its numbers. */
function isAnotherHost(before: HostConfig, after: HostConfig): boolean {
  const [a, b] = [before.locality, after.locality];
  return before.hostname !== after.hostname || a?.region !== b?.region || a?.zone !== b?.zone || a?.subZone !== b?.subZone;
}

/** Whether the balancer must be built anew for a host's new configuration. */
function balancesDifferently(before: HostConfig, after: HostConfig): boolean {
  if (before.weight !== after.weight || before.priority !== after.priority || before.eds !== after.eds) return true;
  if (before.localityWeight !== after.localityWeight || before.hashKey !== after.hashKey) return true;
  const [a, b] = [before.locality, after.locality];
  if (a?.region !== b?.region || a?.zone !== b?.zone || a?.subZone !== b?.subZone) return true;
  return metadataCriteria(before.metadata['envoy.lb'])?.key !== metadataCriteria(after.metadata['envoy.lb'])?.key;
}
