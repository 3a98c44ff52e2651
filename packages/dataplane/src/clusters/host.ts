import type { Locality } from '@xebec/protos/envoy/config/core/v3/base';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import type { HttpPool } from './http-pool.ts';

export type HostHealth = 'healthy' | 'degraded' | 'unhealthy';

/** What configuration or DNS says of one host. */
export interface HostConfig {
  readonly address: EndpointAddress;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality | undefined;
  readonly localityWeight: number;
  readonly health: HostHealth;
  /** `filter_metadata` of the endpoint (over its locality's). */
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** One upstream host of a cluster, with what is alive on it. It outlives updates that only change its configuration. */
export class Host {
  config: HostConfig;
  readonly text: string;
  /** Pools by protocol and transport. */
  readonly pools = new Map<string, HttpPool>();
  activeRequests = 0;
  activeConnections = 0;
  totalRequests = 0;
  successes = 0;
  errors = 0;
  connectFailures = 0;
  /** Outlier detection. */
  ejected = false;
  ejectedUntilMs = 0;
  ejections = 0;
  consecutive5xx = 0;
  consecutiveGatewayFailures = 0;
  consecutiveLocalFailures = 0;
  /** No longer in the cluster: pools take no new requests. */
  removed = false;

  constructor(config: HostConfig) {
    this.config = config;
    this.text = addressText(config.address);
  }
  get healthy(): boolean {
    return this.config.health === 'healthy' && !this.ejected;
  }
  remove(): void {
    this.removed = true;
    for (const pool of this.pools.values()) pool.drain();
  }
}
