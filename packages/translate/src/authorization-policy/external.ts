import type { MeshProxy, MeshSnapshot } from '@xebec/model';
import { ApiVersion } from '@xebec/protos/envoy/config/core/v3/config_source';
import { RBAC_Action } from '@xebec/protos/envoy/config/rbac/v3/rbac';
import { ExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import { RBACSchema as HttpRbacSchema } from '@xebec/protos/envoy/extensions/filters/http/rbac/v3/rbac';
import { ExtAuthzSchema as NetworkExtAuthzSchema } from '@xebec/protos/envoy/extensions/filters/network/ext_authz/v3/ext_authz';
import { RBACSchema as NetworkRbacSchema } from '@xebec/protos/envoy/extensions/filters/network/rbac/v3/rbac';
import type { MetadataMatcherSchema } from '@xebec/protos/envoy/type/matcher/v3/metadata';
import type { StatusCode } from '@xebec/protos/envoy/type/v3/http_status';
import type { ExtensionProvider } from '@xebec/schemas';
import { extension, type Fields } from '../envoy/any.ts';
import { duration, seconds } from '../envoy/duration.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { HttpFilter } from '../listener/http-filters.ts';
import { grpcService, type ProviderService, providerService } from '../telemetry/provider-service.ts';
import { type AuthorizationPolicy, rbacRules } from './rules.ts';

const HTTP_RBAC = 'envoy.filters.http.rbac';
const NETWORK_RBAC = 'envoy.filters.network.rbac';
/** Of what RBAC says about requests that a provider is to be asked about. */
const PREFIX = 'istio_ext_authz_';
/** Istio waits so long for an external authorizer that names no timeout. */
const DEFAULT_TIMEOUT = seconds(600);

export interface ExternalFilters {
  readonly http: readonly HttpFilter[];
  readonly tcp: readonly NetworkFilter[];
}

/**
 * CUSTOM policies: RBAC only marks the requests they match (shadow rules), and ext_authz asks the provider about those. A
 * provider that is unknown, or whose service cannot be seen, denies what the policies match; so do policies of one workload
 * that name several providers, of which Istio asks none.
 */
export function externalFilters(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  policies: readonly AuthorizationPolicy[],
  trustDomains: readonly string[],
): ExternalFilters {
  const names = [...new Set(policies.map((policy) => policy.spec.provider?.name ?? ''))].sort();
  const http: HttpFilter[] = [];
  const tcp: NetworkFilter[] = [];
  for (const name of names) {
    const own = policies.filter((policy) => (policy.spec.provider?.name ?? '') === name);
    const prefix = name === '' ? 'istio-ext-authz-' : `istio-ext-authz-${name}-`;
    const provider = names.length > 1 ? undefined : snapshot.mesh.extensionProviders?.find((candidate) => candidate.name === name);
    const settings = provider?.envoyExtAuthzGrpc ?? provider?.envoyExtAuthzHttp;
    const service = settings === undefined ? undefined : providerService(snapshot, proxy, settings.service, settings.port);
    if (provider === undefined || service === undefined) {
      const view = { trustDomains, prefix, suffix: '-deny-due-to-bad-CUSTOM-action' };
      http.push(extension(HTTP_RBAC, HttpRbacSchema, { rules: rbacRules(own, RBAC_Action.DENY, { ...view, tcp: false }) }));
      const rules = rbacRules(own, RBAC_Action.DENY, { ...view, tcp: true });
      tcp.push(extension(NETWORK_RBAC, NetworkRbacSchema, { rules, statPrefix: 'tcp.' }));
      continue;
    }
    const shadow = (onTcp: boolean) => ({
      shadowRules: rbacRules(own, RBAC_Action.DENY, { trustDomains, prefix, tcp: onTcp }),
      shadowRulesStatPrefix: PREFIX,
    });
    http.push(
      extension(HTTP_RBAC, HttpRbacSchema, shadow(false)),
      extension('envoy.filters.http.ext_authz', ExtAuthzSchema, {
        ...providerFields(provider, service),
        transportApiVersion: ApiVersion.V3,
        filterEnabledMetadata: marked(HTTP_RBAC, name),
      }),
    );
    // An HTTP service cannot be asked about connections.
    if (provider.envoyExtAuthzGrpc === undefined) continue;
    tcp.push(
      extension(NETWORK_RBAC, NetworkRbacSchema, { ...shadow(true), statPrefix: 'tcp.' }),
      extension('envoy.filters.network.ext_authz', NetworkExtAuthzSchema, {
        statPrefix: 'tcp.',
        failureModeAllow: provider.envoyExtAuthzGrpc.failOpen === true,
        transportApiVersion: ApiVersion.V3,
        grpcService: { ...grpcService(service), timeout: duration(provider.envoyExtAuthzGrpc.timeout) ?? DEFAULT_TIMEOUT },
        filterEnabledMetadata: marked(NETWORK_RBAC, name),
      }),
    );
  }
  return { http, tcp };
}

/** What RBAC has marked by a rule of this provider. */
function marked(filter: string, provider: string): Fields<typeof MetadataMatcherSchema> {
  return {
    filter,
    path: [{ segment: { case: 'key', value: `${PREFIX}shadow_effective_policy_id` } }],
    value: { matchPattern: { case: 'stringMatch', value: { matchPattern: { case: 'prefix', value: `istio-ext-authz-${provider}` } } } },
  };
}

function providerFields(provider: ExtensionProvider, service: ProviderService): Fields<typeof ExtAuthzSchema> {
  const grpc = provider.envoyExtAuthzGrpc;
  const http = provider.envoyExtAuthzHttp;
  const settings = grpc ?? http;
  const timeout = duration(settings?.timeout) ?? DEFAULT_TIMEOUT;
  const status = Number(settings?.statusOnError);
  const body = settings?.includeRequestBodyInCheck;
  const common = {
    failureModeAllow: settings?.failOpen === true,
    clearRouteCache: settings?.clearRouteCache === true,
    // The number was validated to be a status; the enum's members are the status codes themselves.
    ...(status >= 100 ? { statusOnError: { code: status as StatusCode } } : {}),
    ...(body === undefined
      ? {}
      : {
          withRequestBody: {
            maxRequestBytes: body.maxRequestBytes ?? 0,
            allowPartialMessage: body.allowPartialMessage === true,
            packAsBytes: body.packAsBytes === true,
          },
        }),
  };
  if (grpc !== undefined) return { ...common, services: { case: 'grpcService', value: { ...grpcService(service), timeout } } };
  const allowed = headerNames(http?.includeRequestHeadersInCheck) ?? headerNames(http?.includeHeadersInCheck);
  const added = Object.entries(http?.includeAdditionalHeadersInCheck ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...common,
    ...(allowed === undefined ? {} : { allowedHeaders: allowed }),
    services: {
      case: 'httpService',
      value: {
        serverUri: { uri: `http://${service.hostname}`, httpUpstreamType: { case: 'cluster', value: service.cluster }, timeout },
        pathPrefix: http?.pathPrefix ?? '',
        ...(added.length === 0 ? {} : { authorizationRequest: { headersToAdd: added.map(([key, value]) => ({ key, value })) } }),
        ...responseFields(http),
      },
    },
  };
}

function responseFields(http: ExtensionProvider['envoyExtAuthzHttp']) {
  const upstream = headerNames(http?.headersToUpstreamOnAllow);
  const onDeny = headerNames(http?.headersToDownstreamOnDeny);
  const onAllow = headerNames(http?.headersToDownstreamOnAllow);
  if (upstream === undefined && onDeny === undefined && onAllow === undefined) return {};
  return {
    authorizationResponse: {
      ...(upstream === undefined ? {} : { allowedUpstreamHeaders: upstream }),
      ...(onDeny === undefined ? {} : { allowedClientHeaders: onDeny }),
      ...(onAllow === undefined ? {} : { allowedClientHeadersOnSuccess: onAllow }),
    },
  };
}

/** Names, of which either end may be `*`. */
function headerNames(list: readonly string[] | undefined) {
  if (list === undefined || list.length === 0) return undefined;
  return {
    patterns: list.map((name) => {
      if (name.startsWith('*')) return { matchPattern: { case: 'suffix' as const, value: name.slice(1) }, ignoreCase: true };
      if (name.endsWith('*')) return { matchPattern: { case: 'prefix' as const, value: name.slice(0, -1) }, ignoreCase: true };
      return { matchPattern: { case: 'exact' as const, value: name }, ignoreCase: true };
    }),
  };
}
