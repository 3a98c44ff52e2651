import type { Clock, Logger, Random, Result } from '@xebec/core';
import type { AdapterSignature, Handler } from '@xebec/policy';
import type { WorkloadDirectory } from './kubernetesenv/workload-directory.ts';
import type { MetricStore } from './prometheus/metric-store.ts';
import type { RateLimitDomains } from './rate-limits/rate-limit-domains.ts';
import type { RoleStore } from './rbac/role-store.ts';

/** What happens to what adapters send elsewhere, for Mixer's own metrics. */
export interface DeliveryEvents {
  /** `entries` were given up because their queue was full or the other end refused them for good. */
  dropped(entries: number): void;
  /** `entries` reached the other end. */
  delivered(entries: number): void;
}

/** The outside world of one handler, from the app. */
export interface AdapterEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: MetricStore;
  readonly workloads: WorkloadDirectory;
  /** Where handlers of rate limits put the domains that the rate limit service serves. */
  readonly rateLimits: RateLimitDomains;
  /** What `rbac` handlers decide by. */
  readonly roles: RoleStore;
  readonly delivery: DeliveryEvents;
  /** Takes one line without its end. */
  readonly writeLine: (line: string) => void;
  /** Namespace of the handler object: params may name instances by short name. */
  readonly namespace: string;
}

/** An adapter: what is known of it without running it, and how its handlers start. */
export interface AdapterDefinition extends AdapterSignature {
  /** Paths of violations start with `spec.params`. Connects lazily: a destination that is away is no error here. */
  configure(params: unknown, environment: AdapterEnvironment): Result<Handler>;
}
