import type { Any } from '@bufbuild/protobuf/wkt';
import { isHttp2, type Protocol } from '@xebec/model';
import type { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import type { Fields } from '../envoy/any.ts';
import { ZERO } from '../envoy/duration.ts';

export interface InboundRoute {
  readonly cluster: string;
  readonly port: number;
  /** `host:port/*`, the name of server spans. */
  readonly operation: string;
  readonly protocol: Protocol;
  /** Configuration of filters for this route. */
  readonly filterConfig: Readonly<Record<string, Any>>;
}

/** Everything that comes in goes to the workload; only a request that never reached it is tried again. */
export function inboundRoute(view: InboundRoute): Fields<typeof RouteConfigurationSchema> {
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
                // A gRPC client retries by itself and knows which calls are safe.
                ...(isHttp2(view.protocol) && view.protocol !== 'http2'
                  ? {}
                  : { retryPolicy: { retryOn: 'reset-before-request', numRetries: 2 } }),
                maxStreamDuration: { maxStreamDuration: ZERO, grpcTimeoutHeaderMax: ZERO },
              },
            },
            decorator: { operation: view.operation },
            typedPerFilterConfig: { ...view.filterConfig },
          },
        ],
      },
    ],
    validateClusters: false,
  };
}
