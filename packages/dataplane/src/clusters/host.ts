import type { Host as BalancedHost, Health } from '@xebec/balancing';
import type { Locality } from '@xebec/protos/envoy/config/core/v3/base';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import type { HttpPool } from './http-pool.ts';

/** What configuration or DNS says of one host. */
export interface HostConfig {
  readonly address: EndpointAddress;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality | undefined;
  readonly localityWeight: number;
  readonly health: Health;
  /** For consistent hashing instead of the address. */
  readonly hashKey?: string;
  /** `filter_metadata` of the endpoint (over its locality's). */
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** One upstream host of a cluster, with what is alive on it. It outlives updates that only change its configuration. */
export class Host implements BalancedHost {
  config: HostConfig;
  readonly text: string;
  /** When it joined the cluster, on the monotonic clock; for slow start. */
  readonly addedAtMs: number;
  /** Pools by protocol and transport. */
  readonly pools = new Map<string, HttpPool>();
  activeRequests = 0;
  activeConnections = 0;
  totalRequests = 0;
  successes = 0;
  errors = 0;
  connectFailures = 0;
  /** Taken out by outlier detection. */
  ejected = false;
  /** No longer in the cluster: pools take no new requests. */
  removed = false;

  constructor(config: HostConfig, addedAtMs: number) {
    this.config = config;
    this.text = addressText(config.address);
    this.addedAtMs = addedAtMs;
  }
  get address(): string {
    return this.text;
  }
  get weight(): number {
    return this.config.weight;
  }
  get priority(): number {
    return this.config.priority;
  }
  get locality(): string {
    const { region = '', zone = '', subZone = '' } = this.config.locality ?? {};
    return `${region}/${zone}/${subZone}`;
  }
  get health(): Health {
    return this.config.health;
  }
  /** What consistent hashing goes by when the endpoint says so, else its address. */
  get hashKey(): string | undefined {
    const key = this.config.metadata['envoy.lb']?.['hash_key'];
    return typeof key === 'string' ? key : this.config.hashKey;
  }
  get healthy(): boolean {
    return this.config.health === 'healthy' && !this.ejected;
  }
  remove(): void {
    this.removed = true;
    for (const pool of this.pools.values()) pool.drain();
  }
}
