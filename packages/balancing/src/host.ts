export type Health = 'healthy' | 'degraded' | 'unhealthy';

/** One endpoint as balancers see it. `ejected` and `activeRequests` change in place. */
export interface Host {
  /** `ip:port` or a socket path; also what consistent hashing hashes, unless `hashKey` is given. */
  readonly address: string;
  readonly weight: number;
  readonly priority: number;
  /** `region/zone/subzone`. */
  readonly locality: string;
  readonly hashKey?: string | undefined;
  /** Since when it has been healthy without a break, on the balancer's clock; only for slow start. */
  readonly healthySinceMs?: number;
  readonly health: Health;
  /** Neither healthy nor unhealthy yet (no first health check) or asked to be left alone: it does not count for panic and spill-over. */
  readonly excluded?: boolean;
  /** Taken out by outlier detection. */
  ejected: boolean;
  activeRequests: number;
}

export function createHost(address: string, given: Partial<Omit<Host, 'address'>> = {}): Host {
  return { address, weight: 1, priority: 0, locality: '', health: 'healthy', ejected: false, activeRequests: 0, ...given };
}

/** What balancing goes by: an ejected host counts as unhealthy. */
export function healthOf(host: Host): Health {
  return host.ejected ? 'unhealthy' : host.health;
}
