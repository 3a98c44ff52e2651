/** Messages in which a field name is joined; bits. In trailers none is, and those that frame a message mean nothing. */
export const joinedIn = { none: 0, request: 1, response: 2, trailers: 4 } as const;

/** Fields that exist once in a message of either kind: values of several are one list, as Envoy makes it. */
const inBoth = [
  ...['content-type', 'content-encoding', 'cache-control', 'via', 'x-request-id', 'x-envoy-decorator-operation', 'x-envoy-attempt-count'],
];
const inRequests = [
  ...['accept', 'accept-encoding', 'authorization', 'origin', 'user-agent', 'referer', 'pragma', 'expect', 'grpc-timeout'],
  ...['grpc-accept-encoding', 'access-control-request-method', 'access-control-request-headers', 'x-client-trace-id'],
  ...['if-match', 'if-none-match', 'if-modified-since', 'if-unmodified-since', 'if-range'],
  ...['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-proto', 'x-forwarded-client-cert'],
  ...['x-envoy-downstream-service-cluster', 'x-envoy-downstream-service-node', 'x-envoy-external-address', 'x-envoy-original-path'],
  ...['x-envoy-retry-on', 'x-envoy-retry-grpc-on', 'x-envoy-max-retries', 'x-envoy-retriable-status-codes'],
  ...['x-envoy-retriable-header-names', 'x-envoy-upstream-rq-timeout-ms', 'x-envoy-upstream-rq-per-try-timeout-ms'],
  ...['x-envoy-upstream-alt-stat-name', 'x-envoy-expected-rq-timeout-ms', 'x-envoy-upstream-stream-duration-ms'],
];
const inResponses = [
  ...['age', 'date', 'etag', 'expires', 'last-modified', 'location', 'vary', 'grpc-status', 'grpc-message', 'proxy-status'],
  ...['access-control-allow-origin', 'access-control-allow-headers', 'access-control-allow-methods', 'access-control-allow-credentials'],
  ...['access-control-expose-headers', 'access-control-max-age', 'x-envoy-upstream-canary', 'x-envoy-ratelimited', 'x-envoy-degraded'],
  ...['x-envoy-immediate-health-check-fail', 'x-envoy-upstream-service-time', 'server'],
];
/** A name whose values are joined. */
export interface JoinedField {
  /** In which messages: bits of `joinedIn`. */
  readonly messages: number;
  /** The section that had it last, by `nextSection`: a second one in it is seen without a search. */
  section: number;
}

const entry = (names: readonly string[], messages: number) => names.map((name): [string, JoinedField] => [name, { messages, section: 0 }]);
const joined = new Map<string, JoinedField>([
  ...entry(inBoth, joinedIn.request | joinedIn.response),
  ...entry(inRequests, joinedIn.request),
  ...entry(inResponses, joinedIn.response),
]);
let sections = 0;

/** The one record of a name in lower case; undefined for fields that stay apart. */
export function joinedField(name: string): JoinedField | undefined {
  return joined.get(name);
}

/** The number of the section that is read next. */
export function nextSection(): number {
  return ++sections;
}

/** Adds a value to the field of this name that is there already. */
export function joinField(headers: string[], name: string, value: string): void {
  if (value === '') return;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    const before = headers[i + 1];
    headers[i + 1] = before === '' ? value : `${before},${value}`;
    return;
  }
}
