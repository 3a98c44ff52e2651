import { HeaderValueOption_HeaderAppendAction } from '@xebec/protos/envoy/config/core/v3/base';
import { ExpressionFilterSchema } from '@xebec/protos/envoy/extensions/access_loggers/filters/cel/v3/cel';
import type { LocalReplyConfigSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { MeshProxyConfig } from '@xebec/schemas';
import { extension, type Fields } from '../envoy/any.ts';

/** In `proxyMetadata` of ProxyConfig: `header` or `body`; anything else tells callers nothing. */
const SETTING = 'XEBEC_NAME_DENYING_POLICY';
const DETAILS = '%RESPONSE_CODE_DETAILS%';
const HEADER = 'x-denied-by';

/**
 * Where the operator allows it, what RBAC denies is answered with the name of the rule, as it stands in the access log: in the header
 * `x-denied-by`, or behind the text of the body (for gRPC, of the message). Undefined: callers learn no more than that they are denied.
 */
export function denialReply(config: MeshProxyConfig): Fields<typeof LocalReplyConfigSchema> | undefined {
  const where = config.proxyMetadata?.[SETTING];
  if (where !== 'header' && where !== 'body') return undefined;
  // What RBAC leaves in metadata is not there yet when Envoy writes the answer.
  const denied = {
    filterSpecifier: {
      case: 'extensionFilter' as const,
      value: extension('cel', ExpressionFilterSchema, { expression: `response.code_details.startsWith('rbac_access_denied')` }),
    },
  };
  const text = {
    case: 'textFormatSource' as const,
    value: { specifier: { case: 'inlineString' as const, value: `%LOCAL_REPLY_BODY%: ${DETAILS}` } },
  };
  return {
    mappers: [
      where === 'header'
        ? {
            filter: denied,
            headersToAdd: [
              { header: { key: HEADER, value: DETAILS }, appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD },
            ],
          }
        : { filter: denied, bodyFormatOverride: { format: text } },
    ],
  };
}
