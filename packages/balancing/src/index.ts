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
export { type BalancingPolicy, createLoadBalancer, type LoadBalancer, type LoadBalancerOptions, type SlowStart } from './load-balancer.ts';
export { type EjectionType, OutlierDetector, type OutlierEvent, type OutlierOptions } from './outlier-detector.ts';
export { type PriorityHealth, type PriorityLoad, priorityLoad } from './priority-load.ts';
export {
  chooseUntried,
  parseRetryOn,
  type RetryConditions,
  retryBackoffMs,
  retryOnVocabulary,
  shouldRetry,
  type TryResult,
} from './retry-policy.ts';
export { combineHashes, xxHash64 } from './xxhash64.ts';
