import { fromBinary } from '@bufbuild/protobuf';
import { HeaderValueOption_HeaderAppendAction as Action, type HeaderValueOption } from '@xebec/protos/envoy/config/core/v3/base';
import { CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { FilterUpstream } from '../../http-filter.ts';
import type { Authorizer, HeaderOperation } from './authorizer.ts';
import { type CheckRequestOptions, encodeCheckRequest } from './check-request.ts';

export interface GrpcAuthorizerOptions extends Omit<CheckRequestOptions, 'contextExtensions'> {
  readonly cluster: string;
  readonly timeoutMs: number;
}

const CHECK = '/envoy.service.auth.v3.Authorization/Check';

/** `envoy.service.auth.v3.Authorization`: status 0 allows. */
export function grpcAuthorizer(options: GrpcAuthorizerOptions, upstream: FilterUpstream): Authorizer {
  return async ({ request, info, body, partial, contextExtensions }) => {
    const bytes = encodeCheckRequest(request, info, body, partial, { ...options, contextExtensions });
    const response = fromBinary(CheckResponseSchema, await upstream.grpcUnary(options.cluster, CHECK, bytes, options.timeoutMs));
    const { httpResponse } = response;
    if ((response.status?.code ?? 0) !== 0) {
      const denied = httpResponse.case === 'deniedResponse' ? httpResponse.value : undefined;
      const status = denied?.status?.code ?? 0;
      return {
        kind: 'denied',
        status: status === 0 ? 403 : status,
        body: denied?.body ?? '',
        headers: operations(denied?.headers ?? []).flatMap(({ name, value }) => [name, value]),
        metadata: response.dynamicMetadata,
      };
    }
    const allowed = httpResponse.case === 'okResponse' ? httpResponse.value : undefined;
    return {
      kind: 'allowed',
      requestHeaders: operations(allowed?.headers ?? [], Action.OVERWRITE_IF_EXISTS_OR_ADD),
      requestHeadersToRemove: (allowed?.headersToRemove ?? []).map((name) => name.toLowerCase()),
      responseHeaders: operations(allowed?.responseHeadersToAdd ?? []),
      queryToSet: allowed?.queryParametersToSet ?? [],
      queryToRemove: allowed?.queryParametersToRemove ?? [],
      metadata: response.dynamicMetadata,
    };
  };
}

/** The old `append` field decides where it is set; without it an allowed request's headers are overwritten, as in Envoy. */
function operations(options: readonly HeaderValueOption[], unset: Action = Action.APPEND_IF_EXISTS_OR_ADD): HeaderOperation[] {
  return options.map(({ header, append, appendAction }) => ({
    name: (header?.key ?? '').toLowerCase(),
    value: header === undefined ? '' : header.rawValue.length > 0 ? Buffer.from(header.rawValue).toString('latin1') : header.value,
    action:
      append === undefined
        ? appendAction === Action.APPEND_IF_EXISTS_OR_ADD
          ? unset
          : appendAction
        : append
          ? Action.APPEND_IF_EXISTS_OR_ADD
          : Action.OVERWRITE_IF_EXISTS_OR_ADD,
  }));
}
