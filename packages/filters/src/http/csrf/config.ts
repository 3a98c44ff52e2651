import { compileStringMatcher, currentFraction, type RuntimeFraction, type StringPredicate } from '@xebec/matching';
import { CsrfPolicySchema } from '@xebec/protos/envoy/extensions/filters/http/csrf/v3/csrf';
import { header } from '@xebec/wire';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';

interface Policy {
  /** Shares of requests, 0 to 1; shadow only counts. */
  enabled(runtime: RuntimeFraction | undefined): number;
  shadow(runtime: RuntimeFraction | undefined): number;
  readonly origins: readonly StringPredicate[];
}

const modifying = new Set(['POST', 'PUT', 'DELETE', 'PATCH']);

/** Refuses requests that change something and come from another site's page. */
export const csrfDefinition: HttpFilterDefinition = {
  name: 'envoy.filters.http.csrf',
  typeNames: [CsrfPolicySchema.typeName],
  compile(bytes, _, context) {
    const own = compilePolicy(bytes);
    const { runtime } = context;
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const missing = scope.counter('csrf.missing_source_origin');
    const invalid = scope.counter('csrf.request_invalid');
    const valid = scope.counter('csrf.request_valid');
    return {
      create: (callbacks) => ({
        onRequestHead(head) {
          const policy = (callbacks.perRouteConfig(context.filterName) as Policy | undefined) ?? own; // what compilePerRoute below returned
          const draw = context.random.next();
          const enforced = draw < policy.enabled(runtime);
          if ((!enforced && draw >= policy.shadow(runtime)) || !modifying.has(head.method)) return 'continue';
          const source = originOf(header(head.headers, 'origin')) || originOf(header(head.headers, 'referer'));
          if (source === '') missing.add(1);
          else if (source === originOf(`${head.scheme}://${head.authority}`) || policy.origins.some((matches) => matches(source))) {
            valid.add(1);
            return 'continue';
          } else invalid.add(1);
          if (!enforced) return 'continue';
          callbacks.sendLocalReply({ status: 403, body: 'Invalid origin', details: 'csrf_origin_mismatch' });
          return 'stop';
        },
      }),
    };
  },
  compilePerRoute: (bytes) => compilePolicy(bytes),
};

function compilePolicy(bytes: Uint8Array): Policy {
  const proto = decodeConfig(CsrfPolicySchema, bytes);
  return {
    enabled: (runtime) => (proto.filterEnabled === undefined ? 0 : currentFraction(proto.filterEnabled, runtime)()),
    shadow: (runtime) => (proto.shadowEnabled === undefined ? 0 : currentFraction(proto.shadowEnabled, runtime)()),
    origins: proto.additionalOrigins.map(compileStringMatcher),
  };
}

/** Host and port of an origin or address; a bare value is taken as it is, as in Envoy. */
function originOf(value: string | undefined): string {
  if (value === undefined || value === '' || value === 'null') return '';
  const match = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(value);
  return match?.[1] ?? value;
}
