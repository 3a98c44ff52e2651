import type { RuntimeFraction } from '@xebec/matching';
import type { Counter } from '@xebec/telemetry';
import { type HeaderList, header, setHeader } from '@xebec/wire';
import type { FilterContext, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';

export interface CorsPolicy {
  allows(origin: string): boolean;
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  readonly maxAge: string;
  readonly allowCredentials: boolean;
  readonly allowPrivateNetworkAccess: boolean;
  /** Preflights from other origins go to the application (true) or get a bare 200. */
  readonly forwardNotMatchingPreflights: boolean;
  /** Shares of requests, 0 to 1; shadow only counts. */
  enabled(runtime: RuntimeFraction | undefined): number;
  shadow(runtime: RuntimeFraction | undefined): number;
}

export interface CorsStats {
  readonly valid: Counter;
  readonly invalid: Counter;
}

export function createCorsFilter(
  policy: CorsPolicy,
  stats: CorsStats,
  context: Pick<FilterContext, 'random' | 'runtime'>,
  callbacks: HttpFilterCallbacks,
): HttpFilter {
  let allowedOrigin: string | undefined;
  return {
    onRequestHead(request) {
      // Redirects and direct responses are not shared across origins by this filter, as in Envoy.
      if (callbacks.route()?.clusterName === undefined) return 'continue';
      const draw = context.random.next();
      const enforced = draw < policy.enabled(context.runtime);
      if (!enforced && draw >= policy.shadow(context.runtime)) return 'continue';
      const origin = header(request.headers, 'origin');
      if (origin === undefined || origin === '') return 'continue';
      const preflight = request.method === 'OPTIONS' && (header(request.headers, 'access-control-request-method') ?? '') !== '';
      if (!policy.allows(origin)) {
        stats.invalid.add(1);
        if (!enforced || !preflight || policy.forwardNotMatchingPreflights) return 'continue';
        callbacks.sendLocalReply({ status: 200, body: '', details: 'cors_response' });
        return 'stop';
      }
      stats.valid.add(1);
      if (!enforced) return 'continue';
      allowedOrigin = origin;
      if (!preflight) return 'continue';
      const headers: HeaderList = ['access-control-allow-origin', origin];
      if (policy.allowCredentials) headers.push('access-control-allow-credentials', 'true');
      if (policy.allowMethods !== '') headers.push('access-control-allow-methods', policy.allowMethods);
      if (policy.allowHeaders !== '') headers.push('access-control-allow-headers', policy.allowHeaders);
      if (policy.maxAge !== '') headers.push('access-control-max-age', policy.maxAge);
      if (policy.allowPrivateNetworkAccess && header(request.headers, 'access-control-request-private-network') === 'true') {
        headers.push('access-control-allow-private-network', 'true');
      }
      callbacks.sendLocalReply({ status: 200, body: '', details: 'cors_response', headers });
      return 'stop';
    },
    onResponseHead(head) {
      if (allowedOrigin === undefined) return 'continue';
      setHeader(head.headers, 'access-control-allow-origin', allowedOrigin);
      if (policy.allowCredentials) setHeader(head.headers, 'access-control-allow-credentials', 'true');
      if (policy.exposeHeaders !== '') setHeader(head.headers, 'access-control-expose-headers', policy.exposeHeaders);
      return 'continue';
    },
  };
}
