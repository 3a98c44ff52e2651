import { create } from '@bufbuild/protobuf';
import { XebecError } from '@xebec/core';
import { compileHeaderMutation, compileMetadataMatcher, compileStringMatcher, currentFraction, optionalDurationMs } from '@xebec/matching';
import { HeaderValueOption_HeaderAppendAction, HeaderValueOptionSchema } from '@xebec/protos/envoy/config/core/v3/base';
import {
  type BufferSettings,
  type ExtAuthz,
  ExtAuthzPerRouteSchema,
  ExtAuthzSchema,
} from '@xebec/protos/envoy/extensions/filters/http/ext_authz/v3/ext_authz';
import type { ListStringMatcher } from '@xebec/protos/envoy/type/matcher/v3/string';
import { decodeConfig } from '../../decode.ts';
import { compileGrpcService } from '../../grpc-service.ts';
import type { FilterContext, HttpFilterDefinition } from '../../http-filter.ts';
import type { Authorizer } from './authorizer.ts';
import { type BodySettings, type CheckSettings, type ClusterStats, createExtAuthzFilter, METADATA as name } from './filter.ts';
import { grpcAuthorizer } from './grpc-authorizer.ts';
import { httpAuthorizer } from './http-authorizer.ts';

/** Envoy's limit for a call that names none, milliseconds. */
const DEFAULT_TIMEOUT_MS = 200;

/** `null` is a route that switches the filter off. */
type PerRoute = CheckSettings | null;

const invalid = (text: string) => new XebecError('E_FILTER_CONFIG', `${name}: ${text}`);

/** Shown by Envoy, and zero here: of headers beyond limits that nothing here has, and of fields that are refused. */
const neverCounted = [
  'filter_state_name_collision',
  'ignored_dynamic_metadata',
  'omitted_response_headers',
  'request_header_limits_reached',
  'response_header_limits_reached',
  'shadow_denied',
  'shadow_error',
];

export const extAuthzDefinition: HttpFilterDefinition = {
  name,
  typeNames: [ExtAuthzSchema.typeName, ExtAuthzPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(ExtAuthzSchema, bytes);
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const counter = (what: string) => scope.counter(`ext_authz.${proto.statPrefix === '' ? '' : `${proto.statPrefix}.`}${what}`);
    for (const name of neverCounted) counter(name);
    const condition = proto.filterEnabledMetadata === undefined ? undefined : compileMetadataMatcher(proto.filterEnabledMetadata);
    const share = currentFraction(proto.filterEnabled, context.runtime);
    const status = proto.statusOnError?.code ?? 0;
    const config = {
      context,
      ask: compileAuthorizer(proto, context),
      body: proto.withRequestBody === undefined ? undefined : bodyOf(proto.withRequestBody),
      failureModeAllow: proto.failureModeAllow,
      failureModeAllowHeader: proto.failureModeAllowHeaderAdd,
      statusOnError: status === 0 ? 403 : status,
      clearRouteCache: proto.clearRouteCache,
      enabled: ({ info }: { info: { dynamicMetadata: ReadonlyMap<string, Record<string, unknown>> } }) =>
        (share() >= 1 || context.random.next() < share()) &&
        (condition === undefined || condition((filter) => info.dynamicMetadata.get(filter))),
      denyAtDisable: proto.denyAtDisable?.defaultValue ?? false,
      stats: {
        ok: counter('ok'),
        denied: counter('denied'),
        error: counter('error'),
        disabled: counter('disabled'),
        failureModeAllowed: counter('failure_mode_allowed'),
        invalid: counter('invalid'),
      },
      clusterStats: byCluster(context),
    };
    return {
      create: (callbacks) => {
        const perRoute = callbacks.perRouteConfig(context.filterName) as PerRoute | undefined; // what compilePerRoute below returned
        return perRoute === null ? {} : createExtAuthzFilter(config, perRoute, callbacks);
      },
    };
  },
  compilePerRoute(bytes): PerRoute {
    const { override } = decodeConfig(ExtAuthzPerRouteSchema, bytes);
    if (override.case === 'disabled') return override.value ? null : { contextExtensions: {}, body: undefined };
    if (override.case === undefined) throw invalid('per-route configuration says neither disabled nor check_settings');
    const { contextExtensions, disableRequestBodyBuffering, withRequestBody } = override.value;
    return {
      contextExtensions,
      body: disableRequestBodyBuffering ? null : withRequestBody === undefined ? undefined : bodyOf(withRequestBody),
    };
  },
};

/** Counters of the cluster that a request was for. */
function byCluster(context: FilterContext): (cluster: string) => ClusterStats {
  const made = new Map<string, ClusterStats>();
  return (cluster) => {
    const known = made.get(cluster);
    if (known !== undefined) return known;
    const scope = context.stats.scope(`cluster.${cluster}`);
    const counter = (what: string) => scope.counter(`ext_authz.${what}`);
    // Shown once they count.
    const fresh = {
      get ok() {
        return counter('ok');
      },
      get denied() {
        return counter('denied');
      },
      get error() {
        return counter('error');
      },
      get failureModeAllowed() {
        return counter('failure_mode_allowed');
      },
    };
    made.set(cluster, fresh);
    return fresh;
  };
}

function bodyOf(settings: BufferSettings): BodySettings {
  if (settings.maxRequestBytes === 0) throw invalid('with_request_body.max_request_bytes must be greater than 0');
  return { maxBytes: settings.maxRequestBytes, allowPartial: settings.allowPartialMessage };
}

function compileAuthorizer(proto: ExtAuthz, context: FilterContext): Authorizer {
  const { services } = proto;
  const any = () => true;
  const disallowed = namesOf(proto.disallowedHeaders);
  if (services.case === 'grpcService') {
    const target = compileGrpcService(services.value, `${name}: grpc_service`, DEFAULT_TIMEOUT_MS);
    const allowed = proto.allowedHeaders === undefined ? any : namesOf(proto.allowedHeaders);
    return grpcAuthorizer(
      {
        ...target,
        allowsHeader: (header) => allowed(header) && !disallowed(header),
        metadataNamespaces: proto.metadataContextNamespaces,
        includePeerCertificate: proto.includePeerCertificate,
        includeTlsSession: proto.includeTlsSession,
        packAsBytes: proto.withRequestBody?.packAsBytes ?? false,
      },
      context.upstream,
    );
  }
  if (services.case !== 'httpService') throw invalid('set grpc_service or http_service');
  const { serverUri, pathPrefix, authorizationRequest, authorizationResponse } = services.value;
  const cluster = serverUri?.httpUpstreamType.value ?? '';
  if (cluster === '') throw invalid('http_service.server_uri.cluster is missing');
  if (pathPrefix !== '' && !pathPrefix.startsWith('/')) throw invalid(`http_service.path_prefix "${pathPrefix}" must start with /`);
  const allowed = namesOf(proto.allowedHeaders ?? authorizationRequest?.allowedHeaders);
  const toClient = authorizationResponse?.allowedClientHeaders;
  return httpAuthorizer(
    {
      cluster,
      timeoutMs: optionalDurationMs(serverUri?.timeout) ?? DEFAULT_TIMEOUT_MS,
      pathPrefix,
      allowsHeader: (header) => allowed(header) && !disallowed(header),
      addHeaders: compileHeaderMutation({
        add: (authorizationRequest?.headersToAdd ?? []).map((header) =>
          create(HeaderValueOptionSchema, { header, appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD }),
        ),
        remove: [],
      }),
      toUpstream: namesOf(authorizationResponse?.allowedUpstreamHeaders),
      toUpstreamAppended: namesOf(authorizationResponse?.allowedUpstreamHeadersToAppend),
      toClient: toClient === undefined || toClient.patterns.length === 0 ? undefined : namesOf(toClient),
      toClientOnSuccess: namesOf(authorizationResponse?.allowedClientHeadersOnSuccess),
      toMetadata: namesOf(authorizationResponse?.dynamicMetadataFromHeaders),
    },
    context.upstream,
  );
}

/** Nothing listed matches nothing. */
function namesOf(list: ListStringMatcher | undefined): (header: string) => boolean {
  const patterns = (list?.patterns ?? []).map(compileStringMatcher);
  return (header) => patterns.some((matches) => matches(header));
}
