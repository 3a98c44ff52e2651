import { isIP } from 'node:net';
import type { Clock } from '@xebec/core';
import type { StatsScope } from '@xebec/telemetry';
import { hostPortText } from '../net/endpoint-address.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { Host, plainCheck } from './host.ts';
import type { HostRequest } from './host-selection.ts';

/** The hosts of an ORIGINAL_DST cluster: each made when a request first goes there, and forgotten when it has been idle. */
export class OriginalDestinationHosts {
  readonly #config: ClusterConfig;
  readonly #clock: Clock;
  readonly #stats: StatsScope;
  readonly #hosts: Map<string, Host>;
  readonly #onChange: () => void;
  /** Used since the last look. */
  readonly #used = new Set<Host>();
  #cancel: (() => void) | undefined;

  constructor(config: ClusterConfig, hosts: Map<string, Host>, clock: Clock, stats: StatsScope, onChange: () => void) {
    this.#config = config;
    this.#hosts = hosts;
    this.#clock = clock;
    this.#stats = stats;
    this.#onChange = onChange;
  }
  choose(request: HostRequest): Host | undefined {
    const destination = this.#destination(request);
    if (destination === undefined) return undefined;
    const port = this.#config.destinationPort ?? destination.port;
    const text = hostPortText(destination.address, port);
    let host = this.#hosts.get(text);
    if (host === undefined) {
      host = new Host(
        {
          address: { kind: 'tcp', address: destination.address, port },
          hostname: '',
          weight: 1,
          priority: 0,
          locality: undefined,
          localityWeight: 0,
          eds: 'unknown',
          check: plainCheck,
          metadata: {},
        },
        this.#clock.monotonic(),
      );
      this.#hosts.set(text, host);
      this.#onChange();
      this.#schedule();
    }
    this.#used.add(host);
    return host;
  }
  close(): void {
    this.#cancel?.();
  }
  /** In Envoy's order: a header, then metadata, then where the connection was going. */
  #destination(request: HostRequest): HostRequest['destination'] {
    const { destinationHeader, destinationMetadata } = this.#config;
    if (destinationHeader !== undefined) {
      const text = request.header?.(destinationHeader);
      if (text !== undefined) return this.#parsed(text);
    }
    if (destinationMetadata !== undefined) {
      const value = request.dynamicMetadata?.(destinationMetadata.namespace, destinationMetadata.path);
      if (typeof value === 'string') return this.#parsed(value);
    }
    return request.destination;
  }
  #parsed(text: string): HostRequest['destination'] {
    const match = /^\[?([^\]]+?)\]?:(\d{1,5})$/.exec(text);
    const [, address, port] = match ?? [];
    if (address === undefined || isIP(address) === 0 || Number(port) > 65_535) {
      this.#stats.counter('original_dst_host_invalid').add(1);
      return undefined;
    }
    return { address, port: Number(port) };
  }
  #schedule(): void {
    if (this.#cancel !== undefined || this.#config.cleanupIntervalMs === 0) return;
    this.#cancel = this.#clock.setTimeout(() => {
      this.#cancel = undefined;
      const before = this.#hosts.size;
      for (const [text, host] of this.#hosts) {
        if (this.#used.has(host) || host.activeConnections > 0 || host.activeRequests > 0) continue;
        this.#hosts.delete(text);
        host.remove();
      }
      this.#used.clear();
      if (this.#hosts.size !== before) this.#onChange();
      if (this.#hosts.size > 0) this.#schedule();
    }, this.#config.cleanupIntervalMs);
  }
}
