import type { Socket } from 'node:net';
import type { Clock, Logger, Random } from '@xebec/core';
import type { StatsScope } from '@xebec/telemetry';
import type { EndpointAddress } from '../../net/endpoint-address.ts';
import type { Host } from '../host.ts';
import { createGrpcProbe } from './grpc-probe.ts';
import type { HealthCheckConfig } from './health-check-config.ts';
import { HealthEventLog } from './health-event-log.ts';
import { HealthSession, type HealthTransition } from './health-session.ts';
import { createHttpProbe } from './http-probe.ts';
import { failed, type Probe, type ProbeConnect, type ProbeResult } from './probe.ts';
import { createTcpProbe } from './tcp-probe.ts';

export interface HealthCheckerParts {
  readonly config: HealthCheckConfig;
  readonly clusterName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly stats: StatsScope;
  hasTraffic(): boolean;
  connect(
    host: Host,
    address: EndpointAddress,
    alpn: readonly string[],
    callbacks: { connected(socket: Socket): void; failed(reason: string): void },
  ): { abandon(): void };
  /** A host's health has changed, or its first check is done. */
  onChange(host: Host, transition: HealthTransition): void;
}

/** Checks every host of a cluster and keeps what was found in `host.active`. */
export class HealthChecker {
  readonly #parts: HealthCheckerParts;
  readonly #sessions = new Map<Host, { readonly session: HealthSession; readonly probe: Probe }>();
  readonly #log: HealthEventLog | undefined;
  /** Hosts that have had no result yet. */
  readonly #unchecked = new Set<Host>();

  constructor(parts: HealthCheckerParts) {
    this.#parts = parts;
    const { config, clusterName, clock, logger, stats } = parts;
    this.#log =
      config.eventLogPath === undefined
        ? undefined
        : new HealthEventLog(config.eventLogPath, config, clusterName, () => clock.now(), logger);
    const scope = stats.scope('health_check');
    for (const name of ['attempt', 'success', 'failure', 'passive_failure', 'network_failure', 'verify_cluster']) scope.counter(name);
    for (const name of ['healthy', 'degraded']) scope.gauge(name);
  }
  /** Every host has had its first result. */
  get settled(): boolean {
    return this.#unchecked.size === 0;
  }
  setHosts(hosts: Iterable<Host>): void {
    const present = new Set(hosts);
    for (const [host, { session, probe }] of this.#sessions) {
      if (present.has(host)) continue;
      session.close();
      probe.abort();
      this.#sessions.delete(host);
      this.#unchecked.delete(host);
    }
    const added: HealthSession[] = [];
    for (const host of present) {
      if (this.#sessions.has(host) || host.config.check.disabled) continue;
      added.push(this.#add(host));
    }
    this.#updateGauges();
    for (const session of added) session.start();
  }
  /** A response of the host carried `x-envoy-immediate-health-check-fail`. */
  failPassively(host: Host): void {
    this.#sessions.get(host)?.session.failPassively();
  }
  close(): void {
    this.setHosts([]);
  }
  #add(host: Host): HealthSession {
    const { config, clusterName, clock, random } = this.#parts;
    const { check } = host.config;
    const address = probeAddress(host);
    const connect: ProbeConnect = (alpn, callbacks) => this.#parts.connect(host, address, config.alpn ?? alpn, callbacks);
    const target = { address, hostname: check.hostname, clusterName };
    const probe = createProbe(config, target, connect);
    this.#unchecked.add(host);
    const session = new HealthSession(host.active, {
      clock,
      random,
      config,
      hasTraffic: () => this.#parts.hasTraffic(),
      probe: (done) => this.#run(probe, done),
      onResult: (result, transition) => this.#onResult(host, result, transition),
    });
    this.#sessions.set(host, { session, probe });
    return session;
  }
  #run(probe: Probe, done: (result: ProbeResult) => void): () => void {
    const { clock, config, stats } = this.#parts;
    stats.counter('health_check.attempt').add(1);
    const cancel = clock.setTimeout(() => {
      probe.abort();
      done(failed('NETWORK_TIMEOUT'));
    }, config.timeoutMs);
    probe.run((result) => {
      cancel();
      done(result);
    });
    return () => {
      cancel();
      probe.abort();
    };
  }
  #onResult(host: Host, result: ProbeResult, transition: HealthTransition): void {
    const { stats, onChange } = this.#parts;
    const scope = stats.scope('health_check');
    if (result.verified === true) scope.counter('verify_cluster').add(1);
    scope.counter(result.kind).add(1);
    if (result.kind === 'failure') {
      if (result.failure === 'PASSIVE') scope.counter('passive_failure').add(1);
      if (result.failure === 'NETWORK' || result.failure === 'NETWORK_TIMEOUT') scope.counter('network_failure').add(1);
    }
    this.#log?.record(host, result, transition);
    this.#unchecked.delete(host);
    if (transition.changed || transition.degradedChanged) this.#updateGauges();
    onChange(host, transition);
  }
  #updateGauges(): void {
    let healthy = 0;
    let degraded = 0;
    for (const { active } of this.#sessions.keys()) {
      if (!active.failed) healthy++;
      if (active.degraded) degraded++;
    }
    const scope = this.#parts.stats.scope('health_check');
    scope.gauge('healthy').set(healthy);
    scope.gauge('degraded').set(degraded);
  }
}

/** Where the host is checked: an address of its own, or another port, or where requests go. */
function probeAddress(host: Host): EndpointAddress {
  const { address, check } = host.config;
  if (check.address !== undefined) return check.address;
  if (address.kind === 'pipe') return address;
  return check.port === 0 ? address : { ...address, port: check.port };
}

function createProbe(config: HealthCheckConfig, target: Parameters<typeof createHttpProbe>[1], connect: ProbeConnect): Probe {
  const { probe, reuseConnection, timeoutMs } = config;
  switch (probe.kind) {
    case 'HTTP':
      return createHttpProbe(probe, target, connect, reuseConnection);
    case 'TCP':
      return createTcpProbe(probe, connect, reuseConnection);
    case 'GRPC':
      return createGrpcProbe(probe, target, connect, reuseConnection, timeoutMs);
  }
}
