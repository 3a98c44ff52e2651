import type { ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import type { RateLimitDomains, WorkloadDirectory } from '@xebec/adapters';
import type { ConfigSource } from '@xebec/config';
import type { Clock, Logger, Random } from '@xebec/core';
import type { HealthServer } from '@xebec/daemon';
import type { Registry } from 'prom-client';
import { accessLogService } from './access-log-service/service.ts';
import type { Dispatcher } from './dispatcher.ts';
import { extAuthzService } from './ext-authz-service/service.ts';
import { mixerApi } from './grpc-service.ts';
import type { MixerMetrics } from './metrics.ts';
import { metricsService } from './metrics-service/service.ts';
import { rateLimitService } from './rate-limit-service/service.ts';

/** What every service on Mixer's gRPC port is made of. */
export interface ServiceContext {
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: MixerMetrics;
  /** Where a service's own metrics go: `/metrics` of the HTTP address. */
  readonly registry: Registry;
  readonly workloads: WorkloadDirectory;
  readonly rateLimits: RateLimitDomains;
  /** Where configuration comes from, for services with kinds of their own. */
  readonly sources: readonly ConfigSource[];
  /** For pages below `/debug`. */
  readonly http: HealthServer['http'];
}

/** A gRPC service in place. */
export interface MixerService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  /** Called after the gRPC server has stopped taking calls. */
  close?(): void | Promise<void>;
}

/** The services of the gRPC port; a new one is one line here. */
export const services: readonly ((context: ServiceContext) => MixerService)[] = [
  mixerApi,
  rateLimitService,
  extAuthzService,
  accessLogService,
  metricsService,
];
