import type { Host as BalancedHost, Health } from '@xebec/balancing';
import type { Locality } from '@xebec/protos/envoy/config/core/v3/base';
import { addressText, type EndpointAddress } from '../net/endpoint-address.ts';
import { type ActiveHealth, combinedHealth, type EdsStatus, healthFlags, uncheckedHealth } from './host-health.ts';
import type { HttpPool } from './http-pool.ts';

/** How one host is checked actively, where that differs from the others. */
export interface HostCheckConfig {
  /** 0: as the cluster's health check says. */
  readonly port: number;
  readonly hostname: string;
  readonly address: EndpointAddress | undefined;
  readonly disabled: boolean;
}

export const plainCheck: HostCheckConfig = { port: 0, hostname: '', address: undefined, disabled: false };

/** What configuration or DNS says of one host. */
export interface HostConfig {
  readonly address: EndpointAddress;
  readonly hostname: string;
  readonly weight: number;
  readonly priority: number;
  readonly locality: Locality | undefined;
  readonly localityWeight: number;
  readonly eds: EdsStatus;
  readonly check: HostCheckConfig;
  /** For consistent hashing instead of the address. */
  readonly hashKey?: string;
  /** Tried in turn when the address does not answer. */
  readonly otherAddresses?: readonly EndpointAddress[];
  /** `filter_metadata` of the endpoint (over its locality's). */
  readonly metadata: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Each for itself, for matchers of transport sockets. */
  readonly ownMetadata?: { readonly endpoint: Readonly<Record<string, unknown>>; readonly locality: Readonly<Record<string, unknown>> };
}

/** One upstream host of a cluster, with what is alive on it. It outlives updates that only change its configuration. */
export class Host implements BalancedHost {
  config: HostConfig;
  readonly text: string;
  /** What active checks found out. */
  readonly active: ActiveHealth = uncheckedHealth();
  /** When it joined the cluster or came back to health, on the monotonic clock; for slow start. */
  healthySinceMs: number;
  /** Pools by protocol and transport. */
  readonly pools = new Map<string, HttpPool>();
  activeRequests = 0;
  activeConnections = 0;
  pendingRequests = 0;
  totalConnections = 0;
  totalRequests = 0;
  successes = 0;
  errors = 0;
  timeouts = 0;
  connectFailures = 0;
  /** Taken out by outlier detection. */
  ejected = false;
  /** No longer in the cluster: pools take no new requests. */
  removed = false;
  /** Discovery has dropped it, but it still answers its checks. */
  removing = false;

  constructor(config: HostConfig, addedAtMs: number) {
    this.config = config;
    this.text = addressText(config.address);
    this.healthySinceMs = addedAtMs;
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
    return combinedHealth(this.config.eds, this.active);
  }
  get excluded(): boolean {
    return this.active.excluded || this.active.pending || this.config.eds === 'draining';
  }
  get canary(): boolean {
    return this.config.metadata['envoy.lb']?.['canary'] === true;
  }
  /** What consistent hashing goes by when the endpoint says so, else its address. */
  get hashKey(): string | undefined {
    const key = this.config.metadata['envoy.lb']?.['hash_key'];
    return typeof key === 'string' ? key : this.config.hashKey;
  }
  get healthy(): boolean {
    return this.health === 'healthy' && !this.ejected;
  }
  /** As `/clusters` shows it. */
  get healthFlags(): string {
    return healthFlags(this.config.eds, this.active, this.ejected, this.removing);
  }
  remove(): void {
    this.removed = true;
    for (const pool of this.pools.values()) pool.drain();
  }
}
