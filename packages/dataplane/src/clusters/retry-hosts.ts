import { comparable } from '@xebec/balancing';
import type { RetryPolicy } from '@xebec/protos/envoy/config/route/v3/route_components';
import { OmitHostMetadataConfigSchema } from '@xebec/protos/envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config';
import { PreviousPrioritiesConfigSchema } from '@xebec/protos/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config';
import { typeNameOf, unpack } from '../config/unpack.ts';
import type { Host } from './host.ts';

/** Where retries go: `retry_host_predicate` and `retry_priority` of a route's retry policy. */
export interface RetryHosts {
  /** How often another host is asked for while the one found is rejected. */
  readonly maxReselections: number;
  rejects(host: Host, tried: readonly Host[]): boolean;
  /** Priorities to keep away from, given the hosts tried so far. */
  skippedPriorities(tried: readonly Host[]): ReadonlySet<number> | undefined;
}

type Predicate = (host: Host, tried: readonly Host[]) => boolean;

/** Undefined where retries choose as first tries do; Envoy's three predicates are known; others refuse no host. */
export function compileRetryHosts(policy: RetryPolicy, where: string): RetryHosts | undefined {
  const predicates = policy.retryHostPredicate.map(({ name, configType }): Predicate => {
    const any = configType.value;
    const type = any === undefined ? name : typeNameOf(any);
    if (/PreviousHostsPredicate$|previous_hosts$/.test(type)) return (host, tried) => tried.includes(host);
    if (/OmitCanaryHostsPredicate$|omit_canary_hosts$/.test(type)) return (host) => host.canary;
    if (/OmitHostMetadataConfig$/.test(type) && any !== undefined) {
      const wanted =
        unpack(any, OmitHostMetadataConfigSchema, `${where}: retry_host_predicate`).metadataMatch?.filterMetadata['envoy.lb'] ?? {};
      const entries = Object.entries(wanted).map(([key, value]) => [key, comparable(value)] as const);
      return ({ config }) => entries.every(([key, value]) => comparable(config.metadata['envoy.lb']?.[key]) === value);
    }
    return () => false;
  });
  const priority = policy.retryPriority;
  const frequency =
    priority?.configType.value === undefined
      ? 0
      : unpack(priority.configType.value, PreviousPrioritiesConfigSchema, `${where}: retry_priority`).updateFrequency;
  if (predicates.length === 0 && frequency === 0) return undefined;
  return {
    maxReselections: predicates.length === 0 ? 0 : Math.max(1, Number(policy.hostSelectionRetryMaxAttempts)),
    rejects: (host, tried) => predicates.some((predicate) => predicate(host, tried)),
    skippedPriorities(tried) {
      if (frequency === 0 || tried.length < frequency) return undefined;
      // Only every so many tries is it looked at again.
      const counted = tried.slice(0, tried.length - (tried.length % frequency));
      return new Set(counted.map((host) => host.priority));
    },
  };
}
