import { type MeshSnapshot, resolveHost, type SidecarScope } from '@xebec/model';
import { ApiVersion } from '@xebec/protos/envoy/config/core/v3/config_source';
import { RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import { RBACSchema as HttpRbacSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import type { StatusCode } from '@xebec/protos/envoy/type/v3/http_status';
import type { ExtensionProvider } from '@xebec/schemas';
import { outboundCluster } from '../cluster/names.ts';
import { extension, type Fields } from '../envoy/any.ts';
import { duration, seconds } from '../envoy/duration.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
import { type AuthorizationPolicy, rbacRules } from './rules.ts';

const RBAC = 'envoy.filters.http.rbac';

/** Istio waits so long for an external authorizer that names no timeout. */
const DEFAULT_TIMEOUT = seconds(600);

/**
 * CUSTOM policies: RBAC only marks the requests they match (shadow rules), and ext_authz asks the provider about those. A
 * provider that is unknown, or whose service cannot be seen, denies what the policies match.
 */
export function externalFilters(
  snapshot: MeshSnapshot,
  scope: SidecarScope,
  policies: readonly AuthorizationPolicy[],
  trustDomains: readonly string[],
): HttpFilter[] {
  if (policies.length === 0) return [];
  const names = [...new Set(policies.map((policy) => policy.spec.provider?.name ?? ''))];
  return names.flatMap((name) => {
    const own = policies.filter((policy) => (policy.spec.provider?.name ?? '') === name);
    const view = { trustDomains, transport: 'http' as const };
    const provider = snapshot.mesh.extensionProviders?.find((candidate) => candidate.name === name);
    const service = provider === undefined ? undefined : serviceOf(snapshot, scope, provider);
    if (provider === undefined || service === undefined)
      return [extension(RBAC, HttpRbacSchema, { rules: rbacRules(own, RBAC_Action.DENY, view) })];
    const prefix = `istio-ext-authz-${own[0]?.metadata.namespace ?? ''}-${name}-`;
    return [
      extension(RBAC, HttpRbacSchema, { shadowRules: rbacRules(own, RBAC_Action.DENY, view), shadowRulesStatPrefix: prefix }),
      extension('envoy.filters.http.ext_authz', ExtAuthzSchema, {
        ...providerFields(provider, service),
        transportApiVersion: ApiVersion.V3,
        filterEnabledMetadata: {
          filter: RBAC,
          path: [{ segment: { case: 'key', value: `${prefix}shadow_effective_policy_id` } }],
          value: { matchPattern: { case: 'stringMatch', value: { matchPattern: { case: 'prefix', value: 'ns[' } } } },
        },
      }),
    ];
  });
}

interface AuthorizerService {
  readonly cluster: string;
  readonly hostname: string;
  readonly port: number;
}

function serviceOf(snapshot: MeshSnapshot, scope: SidecarScope, provider: ExtensionProvider): AuthorizerService | undefined {
  const settings = provider.envoyExtAuthzGrpc ?? provider.envoyExtAuthzHttp;
  if (settings === undefined) return undefined;
  const host = settings.service.slice(settings.service.indexOf('/') + 1);
  const candidates = [host, resolveHost(host, snapshot.rootNamespace, snapshot.domain)];
  const service = candidates.map((name) => scope.service(name)).find((found) => found !== undefined);
  if (service === undefined) return undefined;
  return { cluster: outboundCluster(settings.port, undefined, service.hostname), hostname: service.hostname, port: settings.port };
}

function providerFields(provider: ExtensionProvider, service: AuthorizerService): Fields<typeof ExtAuthzSchema> {
  const grpc = provider.envoyExtAuthzGrpc;
  const http = provider.envoyExtAuthzHttp;
  const settings = grpc ?? http;
  const timeout = duration(settings?.timeout) ?? DEFAULT_TIMEOUT;
  const status = Number(settings?.statusOnError);
  const common = {
    failureModeAllow: settings?.failOpen === true,
    clearRouteCache: settings?.clearRouteCache === true,
    // The number was validated to be a status; the enum's members are the status codes themselves.
    statusOnError: { code: (status >= 100 ? status : 403) as StatusCode },
  };
  if (grpc !== undefined)
    return {
      ...common,
      services: {
        case: 'grpcService',
        value: {
          targetSpecifier: { case: 'envoyGrpc', value: { clusterName: service.cluster, authority: service.hostname } },
          timeout,
        },
      },
    };
  const names = (list: readonly string[] | undefined) => ({
    patterns: (list ?? []).map((name) =>
      name.endsWith('*')
        ? { matchPattern: { case: 'prefix' as const, value: name.slice(0, -1) }, ignoreCase: true }
        : { matchPattern: { case: 'exact' as const, value: name }, ignoreCase: true },
    ),
  });
  return {
    ...common,
    allowedHeaders: names(http?.includeRequestHeadersInCheck ?? http?.includeHeadersInCheck),
    services: {
      case: 'httpService',
      value: {
        serverUri: {
          uri: `http://${service.hostname}:${service.port}`,
          httpUpstreamType: { case: 'cluster', value: service.cluster },
          timeout,
        },
        pathPrefix: http?.pathPrefix ?? '',
        authorizationRequest: {
          headersToAdd: Object.entries(http?.includeAdditionalHeadersInCheck ?? {}).map(([key, value]) => ({ key, value })),
        },
        authorizationResponse: {
          allowedUpstreamHeaders: names(http?.headersToUpstreamOnAllow),
          allowedClientHeaders: names(http?.headersToDownstreamOnDeny),
          allowedClientHeadersOnSuccess: names(http?.headersToDownstreamOnAllow),
        },
      },
    },
  };
}
