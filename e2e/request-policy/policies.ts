/** What the gateway of these tests is guarded by, and what it routes to. */
export interface PolicyParts {
  readonly gatewayPort: number;
  readonly v1: number;
  readonly v2: number;
  readonly httpAuthorizer: number;
  readonly grpcAuthorizer: number;
  readonly issuer: string;
}

export function manifests(parts: PolicyParts): string {
  const policy = (name: string, spec: string, annotations = '{}'): string =>
    `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: default, annotations: ${annotations}}
spec: {selector: {matchLabels: {istio: ingressgateway}}, ${spec}}
`;
  const service = (name: string, ports: string, endpoints: string): string =>
    `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: default}
spec:
  hosts: [${name}.default.svc.cluster.local]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [${ports}]
  endpoints: [${endpoints}]
`;
  const paths = (...list: readonly string[]): string => `to: [{operation: {paths: [${list.map((path) => `"${path}"`).join(', ')}]}}]`;
  return [
    service(
      'reviews',
      '{number: 9080, name: http, protocol: HTTP}',
      `{address: 127.0.0.1, ports: {http: ${parts.v1}}, labels: {version: v1}}, {address: 127.0.0.1, ports: {http: ${parts.v2}}, labels: {version: v2}}`,
    ),
    service(
      'authorizer',
      '{number: 8000, name: http, protocol: HTTP}, {number: 9000, name: grpc, protocol: GRPC}',
      `{address: 127.0.0.1, ports: {http: ${parts.httpAuthorizer}, grpc: ${parts.grpcAuthorizer}}}`,
    ),
    `apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: default}
spec:
  host: reviews.default.svc.cluster.local
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
`,
    `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: default}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: ${parts.gatewayPort}, name: http, protocol: HTTP}, hosts: ["*"]}]
`,
    `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: ["*"]
  gateways: [gateway]
  http:
  - match: [{headers: {"@request.auth.claims.groups": {exact: admin}}}]
    route: [{destination: {host: reviews.default.svc.cluster.local, subset: v2}}]
  - route: [{destination: {host: reviews.default.svc.cluster.local, subset: v1}}]
`,
    `apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens, namespace: default}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  jwtRules: [{issuer: "${parts.issuer}", outputClaimToHeaders: [{header: x-subject, claim: sub}]}]
`,
    policy('ask', `action: CUSTOM, provider: {name: authorizer}, rules: [{${paths('/asked*', '/admin/asked')}}]`),
    policy('no-admin', `action: DENY, rules: [{${paths('/admin*')}}]`),
    policy('watch', `action: AUDIT, rules: [{${paths('/public/watched')}}]`),
    policy('trial', `action: DENY, rules: [{${paths('/public/trial')}}]`, '{"istio.io/dry-run": "true"}'),
    policy(
      'readers',
      `action: ALLOW, rules: [{${paths('/public*', '/asked*', '/admin*')}}, {${paths('/private/{*}')}, from: [{source: {requestPrincipals: ["${parts.issuer}/*"]}}]}]`,
    ),
  ].join('---\n');
}

export function meshConfig(kind: 'http' | 'grpc', failOpen: boolean, logFile: string): string {
  const common = {
    service: 'authorizer.default.svc.cluster.local',
    port: kind === 'http' ? 8000 : 9000,
    timeout: '0.5s',
    failOpen,
    statusOnError: '503',
    includeRequestBodyInCheck: { maxRequestBytes: 8, allowPartialMessage: true },
  };
  const http = {
    includeRequestHeadersInCheck: ['x-token'],
    includeAdditionalHeadersInCheck: { 'x-asked-by': 'gateway' },
    headersToUpstreamOnAllow: ['x-user'],
    headersToDownstreamOnDeny: ['x-why'],
  };
  return JSON.stringify({
    extensionProviders: [
      { name: 'authorizer', ...(kind === 'http' ? { envoyExtAuthzHttp: { ...common, ...http } } : { envoyExtAuthzGrpc: common }) },
    ],
    accessLogFile: logFile,
    accessLogEncoding: 'JSON',
    accessLogFormat: JSON.stringify({
      method: '%REQ(:METHOD)%',
      path: '%REQ(:PATH)%',
      downstream_local_address: '%DOWNSTREAM_LOCAL_ADDRESS%',
      downstream_remote_address: '%DOWNSTREAM_REMOTE_ADDRESS%',
      code: '%RESPONSE_CODE%',
      details: '%RESPONSE_CODE_DETAILS%',
      flags: '%RESPONSE_FLAGS%',
      trial: '%DYNAMIC_METADATA(envoy.filters.http.rbac:istio_dry_run_deny_shadow_effective_policy_id)%',
      audit: '%DYNAMIC_METADATA(envoy.common:access_log_hint)%',
    }),
    defaultConfig: { proxyMetadata: { XEBEC_NAME_DENYING_POLICY: 'header' } },
  });
}
