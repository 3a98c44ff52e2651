import { fromBinary } from '@bufbuild/protobuf';
import { HeaderValueOption_HeaderAppendAction as Action, type HeaderValueOption } from '@xebec/protos/envoy/config/core/v3/base';
import { CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { HeaderList } from '@xebec/wire';
import type { FilterUpstream } from '../../http-filter.ts';
import type { Authorizer, HeaderOperation } from './authorizer.ts';
import { type CheckRequestOptions, encodeCheckRequest } from './check-request.ts';

export interface GrpcAuthorizerOptions extends Omit<CheckRequestOptions, 'contextExtensions'> {
  readonly cluster: string;
  readonly timeoutMs: number;
  /** Metadata of every call: names and values. */
  readonly metadata: HeaderList;
}

const CHECK = '/envoy.service.auth.v3.Authorization/Check';

/** `envoy.service.auth.v3.Authorization`: status 0 allows. */
export function grpcAuthorizer(options: GrpcAuthorizerOptions, upstream: FilterUpstream): Authorizer {
  return async ({ request, info, body, partial, received, streamId, contextExtensions }) => {
    const bytes = encodeCheckRequest(request, info, body, partial, { received, id: streamId }, { ...options, contextExtensions });
    const answer = await upstream.grpcUnary(options.cluster, CHECK, bytes, options.timeoutMs, options.metadata);
    const response = fromBinary(CheckResponseSchema, answer);
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
      requestHeaders: requestOperations(allowed?.headers ?? []),
      requestHeadersToRemove: (allowed?.headersToRemove ?? []).map((name) => name.toLowerCase()),
      responseHeaders: operations(allowed?.responseHeadersToAdd ?? []),
      queryToSet: allowed?.queryParametersToSet ?? [],
      queryToRemove: allowed?.queryParametersToRemove ?? [],
      metadata: response.dynamicMetadata,
    };
  };
}

/** For the upstream, Envoy heeds the old `append` field alone: it joins to a value that is there; all else is set. */
function requestOperations(options: readonly HeaderValueOption[]): HeaderOperation[] {
  return options.map((option) => ({ ...plain(option), action: option.append === true ? 'join' : Action.OVERWRITE_IF_EXISTS_OR_ADD }));
}

/** For the client: the old `append` field where it is set, else the action. */
function operations(options: readonly HeaderValueOption[]): HeaderOperation[] {
  return options.map((option) => ({
    ...plain(option),
    action:
      option.append === undefined
        ? option.appendAction
        : option.append
          ? Action.APPEND_IF_EXISTS_OR_ADD
          : Action.OVERWRITE_IF_EXISTS_OR_ADD,
  }));
}

function plain({ header }: HeaderValueOption): { readonly name: string; readonly value: string } {
  const raw = header?.rawValue ?? new Uint8Array();
  return { name: (header?.key ?? '').toLowerCase(), value: raw.length > 0 ? Buffer.from(raw).toString('latin1') : (header?.value ?? '') };
}
