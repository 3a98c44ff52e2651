import type { Json } from '../harness/family.ts';
import type { Draw } from './draw.ts';

const operators = [
  'plain',
  '',
  '100%%',
  '%REQ(x-a)%',
  '%REQ(x-a?x-b)%',
  '%REQ(x-a):2%',
  '%REQ(:path)%',
  '%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%',
  '%REQ(:authority)%',
  '%PROTOCOL%',
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  '%ROUTE_NAME%',
  '%UPSTREAM_CLUSTER%',
  '%VIRTUAL_CLUSTER_NAME%',
  '%QUERY_PARAM(q)%',
  '%DYNAMIC_METADATA(random.meta:who)%',
  '%METADATA(ROUTE:random.meta:who)%',
  '%RESPONSE_CODE%',
  '%RESPONSE_CODE_DETAILS%',
  '%RESPONSE_FLAGS%',
  '%RESP(x-up)%',
  '%RESP(content-type)%',
  '%START_TIME(%Y)%',
  '%BYTES_RECEIVED%',
  '%REQUESTED_SERVER_NAME%',
  '%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%',
  '%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%',
  'a%REQ(x-b)%b%PROTOCOL%',
] as const;

const names = [
  'x-a',
  'x-b',
  'x-new',
  'X-Upper',
  'content-type',
  'x-up',
  'server',
  'user-agent',
  'x-forwarded-for',
  'cookie',
  'x-envoy-original-path',
] as const;
const actions = ['APPEND_IF_EXISTS_OR_ADD', 'ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS_OR_ADD', 'OVERWRITE_IF_EXISTS'] as const;

/** A HeaderValueOption. */
export function headerOption(draw: Draw): Json {
  return {
    header: { key: draw.pick(names), value: draw.pick(operators) },
    ...draw.maybe(0.7, () => ({ append_action: draw.pick(actions) })),
    ...draw.maybe(0.15, () => ({ keep_empty_value: true })),
  };
}

/** Fields that virtual hosts, routes, route configurations and weighted clusters have in common, to be spread. */
export function headerChanges(draw: Draw, probability: number): Json {
  return {
    ...draw.maybe(probability, () => ({ request_headers_to_add: draw.many(1, 3, () => headerOption(draw)) })),
    ...draw.maybe(probability / 2, () => ({
      request_headers_to_remove: draw.many(1, 2, () =>
        draw.pick(['x-a', 'x-b', 'user-agent', 'X-C', 'x-forwarded-proto', 'x-request-id', 'accept']),
      ),
    })),
    ...draw.maybe(probability, () => ({ response_headers_to_add: draw.many(1, 3, () => headerOption(draw)) })),
    ...draw.maybe(probability / 2, () => ({
      response_headers_to_remove: draw.many(1, 2, () =>
        draw.pick(['x-up', 'server', 'content-type', 'X-New', 'x-envoy-upstream-service-time', 'date']),
      ),
    })),
  };
}

/** A HeaderMutation of the newer kind. */
export function headerMutation(draw: Draw): Json {
  return draw.chance(0.3)
    ? { remove: draw.pick(['x-a', 'x-b', 'x-up', 'content-type', 'server', 'user-agent']) }
    : { append: headerOption(draw) };
}
