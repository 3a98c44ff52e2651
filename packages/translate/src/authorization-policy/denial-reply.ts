import { HeaderValueOption_HeaderAppendAction } from '@xebec/protos/envoy/config/core/v3/base';
import type { LocalReplyConfigSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { MeshProxyConfig } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';

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
  const denied = {
    filterSpecifier: {
      case: 'metadataFilter' as const,
      value: {
        matcher: {
          filter: 'envoy.filters.http.rbac',
          path: [{ segment: { case: 'key' as const, value: 'enforced_engine_result' } }],
          value: {
            matchPattern: { case: 'stringMatch' as const, value: { matchPattern: { case: 'exact' as const, value: 'denied' } } },
          },
        },
        matchIfKeyNotFound: false,
      },
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
