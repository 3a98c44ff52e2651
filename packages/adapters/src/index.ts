export type { AdapterDefinition, AdapterEnvironment, DeliveryEvents } from './adapter.ts';
export { adapters } from './adapters.ts';
export { noWorkloads, type WorkloadDirectory, type WorkloadFacts } from './kubernetesenv/workload-directory.ts';
export { CallFailure, isUnavailable } from './out-of-process/call-failure.ts';
export { configureRemote } from './out-of-process/handler.ts';
export { MetricStore } from './prometheus/metric-store.ts';
export { MemoryQuotaStore } from './quota/memory-store.ts';
export type { QuotaAlgorithm, QuotaAnswer, QuotaLimit, QuotaRequest, QuotaStore, ShareHolder } from './quota/quota-store.ts';
export type { DescriptorLimit } from './rate-limits/descriptor-tree.ts';
export {
  type DescriptorVerdict,
  type RateLimitDescriptor,
  type RateLimitDomain,
  RateLimitDomains,
} from './rate-limits/rate-limit-domains.ts';
export { type RateLimitUnit, UNIT_SECONDS } from './rate-limits/rate-limit-params.ts';
export { RoleStore } from './rbac/role-store.ts';
export { parseRedisAddress } from './redis/redis-address.ts';
export { RedisQuotaStore } from './redis/redis-quota-store.ts';
