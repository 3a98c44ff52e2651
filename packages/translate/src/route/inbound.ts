import type { Any } from '@bufbuild/protobuf/wkt';
import type { Protocol } from '@xebec/model';
import type { MetadataSchema } from '@xebec/protos/envoy/config/core/v3/base';
import type { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import type { RetryPolicySchema } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { MeshConfig } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { duration, ZERO } from '../envoy/duration.ts';

export interface InboundRoute {
  readonly cluster: string;
  readonly port: number;
  /** `host:port/*`, the name of server spans. */
  readonly operation: string;
  readonly protocol: Protocol;
  /** Configuration of filters for this route. */
  readonly filterConfig: Readonly<Record<string, Any>>;
  /** What loggers can read of the route. */
  readonly metadata?: Fields<typeof MetadataSchema>;
  /** The mesh's `defaultInboundHttpRetryPolicy`. */
  readonly retry?: InboundRetry;
}

export type InboundRetry = NonNullable<MeshConfig['defaultInboundHttpRetryPolicy']>;
type RetryPolicy = Fields<typeof RetryPolicySchema>;

/** Everything that comes in goes to the workload; only a request that never reached it is tried again. */
export function inboundRoute(view: InboundRoute): Fields<typeof RouteConfigurationSchema> {
  // A gRPC client retries by itself and knows which calls are safe.
  const retry = view.protocol === 'grpc' || view.protocol === 'grpc-web' ? undefined : retryPolicy(view.retry);
  return {
    name: view.cluster,
    virtualHosts: [
      {
        name: `inbound|http|${view.port}`,
        domains: ['*'],
        routes: [
          {
            name: 'default',
            match: { pathSpecifier: { case: 'prefix', value: '/' } },
            action: {
              case: 'route',
              value: {
                clusterSpecifier: { case: 'cluster', value: view.cluster },
                timeout: ZERO,
                ...(retry === undefined ? {} : { retryPolicy: retry }),
                maxStreamDuration: { maxStreamDuration: ZERO, grpcTimeoutHeaderMax: ZERO },
              },
            },
            decorator: { operation: view.operation },
            typedPerFilterConfig: { ...view.filterConfig },
            ...(view.metadata === undefined ? {} : { metadata: view.metadata }),
          },
        ],
      },
    ],
    validateClusters: false,
  };
}

const DEFAULT_CONDITION = 'reset-before-request';

function retryPolicy(given: InboundRetry | undefined): RetryPolicy | undefined {
  if (given === undefined) return { retryOn: DEFAULT_CONDITION, numRetries: 2 };
  const attempts = given.attempts ?? 0;
  if (attempts <= 0) return undefined;
  const words = (given.retryOn ?? '').split(',').filter((word) => word.trim() !== '');
  const codes = words.filter((word) => /^\s*\d+\s*$/.test(word)).map(Number);
  const conditions = words.filter((word) => !/^\s*\d+\s*$/.test(word));
  if (codes.length > 0 && !conditions.includes('retriable-status-codes')) conditions.push('retriable-status-codes');
  return {
    retryOn: words.length === 0 ? DEFAULT_CONDITION : conditions.join(','),
    retriableStatusCodes: codes,
    numRetries: attempts,
    ...(given.backoff === undefined ? {} : { retryBackOff: { baseInterval: duration(given.backoff) } }),
  };
}
