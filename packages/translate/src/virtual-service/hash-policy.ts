import type { RouteAction_HashPolicySchema } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { Fields } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import type { ConsistentHash } from './destination.ts';

/** What a request is hashed by, for destinations with consistent hashing. */
export function hashPolicies(hash: ConsistentHash | undefined): Fields<typeof RouteAction_HashPolicySchema>[] {
  if (hash?.httpHeaderName !== undefined) return [{ policySpecifier: { case: 'header', value: { headerName: hash.httpHeaderName } } }];
  if (hash?.httpCookie !== undefined) {
    const { name, path, ttl, attributes } = hash.httpCookie;
    return [
      {
        policySpecifier: {
          case: 'cookie',
          value: {
            name,
            path: path ?? '',
            ...(ttl === undefined ? {} : { ttl: duration(ttl) }),
            attributes: (attributes ?? []).map((attribute) => ({ name: attribute.name, value: attribute.value ?? '' })),
          },
        },
      },
    ];
  }
  if (hash?.useSourceIp === true) return [{ policySpecifier: { case: 'connectionProperties', value: { sourceIp: true } } }];
  if (hash?.httpQueryParameterName !== undefined)
    return [{ policySpecifier: { case: 'queryParameter', value: { name: hash.httpQueryParameterName } } }];
  return [];
}
