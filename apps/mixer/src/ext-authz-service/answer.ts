import { create } from '@bufbuild/protobuf';
import { GRPC_STATUS } from '@xebec/core';
import { HeaderValueOption_HeaderAppendAction as AppendAction } from '@xebec/protos/envoy/config/core/v3/base';
import { type CheckResponse, CheckResponseSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { CheckOutcome, HeaderChange } from '../dispatcher.ts';

/** HTTP status by google.rpc.Code, as Mixer's clients answer (release 1.4). */
const HTTP_STATUS = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** Mixer's verdict as an external authorizer says it. */
export function answerOf(
  outcome: Pick<CheckOutcome, 'code' | 'message' | 'requestHeaders' | 'responseHeaders' | 'directResponse'>,
): CheckResponse {
  const { code, message, requestHeaders, responseHeaders, directResponse } = outcome;
  const status = { code, message };
  if (code === 0 && directResponse === undefined) {
    const value = {
      headers: options(requestHeaders),
      headersToRemove: requestHeaders.flatMap(({ name, operation }) => (operation === 'REMOVE' ? [name] : [])),
      responseHeadersToAdd: options(responseHeaders),
    };
    return create(CheckResponseSchema, { status, httpResponse: { case: 'okResponse', value } });
  }
  const name = GRPC_STATUS[code] ?? 'UNKNOWN';
  const value = {
    status: { code: directResponse?.status ?? HTTP_STATUS[code] ?? 500 },
    headers: options(responseHeaders),
    body: directResponse?.body ?? (message === '' ? name : `${name}:${message}`),
  };
  return create(CheckResponseSchema, {
    // To Envoy an answer by status OK is a consent, whatever stands beside it.
    status: code === 0 ? { code: 7, message: 'answered directly' } : status,
    httpResponse: { case: 'deniedResponse', value },
  });
}

/** Values come from expressions over what callers sent: nothing of them may end a header line. */
function options(changes: readonly HeaderChange[]) {
  return changes.flatMap(({ name, value, operation }) => {
    if (operation === 'REMOVE' || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name) || /[^\P{Cc}\t]/u.test(value)) return [];
    const appendAction = operation === 'APPEND' ? AppendAction.APPEND_IF_EXISTS_OR_ADD : AppendAction.OVERWRITE_IF_EXISTS_OR_ADD;
    return [{ header: { key: name.toLowerCase(), value }, appendAction }];
  });
}
