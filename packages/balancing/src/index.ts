export {
  type CircuitBreaker,
  type CircuitBreakerLimits,
  createCircuitBreaker,
  defaultCircuitBreakerLimits,
  ResourceCounter,
  type RetryBudget,
  withinRetryBudget,
} from './circuit-breaker.ts';
export { createHost, type Health, type Host, healthOf } from './host.ts';
export type { ChooseContext } from './host-picker.ts';
export {
  type BalancingEvent,
  type BalancingPolicy,
  createLoadBalancer,
  healthByPriority,
  type LoadBalancer,
  type LoadBalancerOptions,
} from './load-balancer.ts';
export { murmurHash2 } from './murmur-hash2.ts';
export { type EjectionType, type OutlierAverages, OutlierDetector, type OutlierEvent } from './outlier-detector.ts';
export type { OutlierOptions } from './outlier-options.ts';
export { type PriorityHealth, type PriorityLoad, priorityLoad } from './priority-load.ts';
export {
  chooseAccepted,
  parseRetryOn,
  type RetryConditions,
  retryBackoffMs,
  retryOnVocabulary,
  shouldRetry,
  type TryResult,
} from './retry-policy.ts';
export type { HashTableSize } from './ring-hash.ts';
export type { SlowStart } from './slow-start.ts';
export {
  createSubsetBalancer,
  type SubsetEvent,
  type SubsetFallback,
  type SubsetOptions,
  type SubsetSelector,
} from './subset-balancer.ts';
export { comparable, type MetadataCriteria, metadataCriteria } from './subset-criteria.ts';
export { combineHashes, xxHash64 } from './xxhash64.ts';
export type { ZoneAwareness, ZoneEvent } from './zone-routing.ts';
