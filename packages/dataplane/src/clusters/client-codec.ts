import type {
  HttpProtocolOptions as CommonHttpOptions,
  Http1ProtocolOptions,
  Http2ProtocolOptions,
} from '@xebec/protos/envoy/config/core/v3/protocol';
import type { ClientCodecOptions } from '../http/codecs.ts';
import { compileHeaderCase } from '../http/header-case.ts';
import { http2SettingsOf } from '../http/http2-options.ts';

/** Of an HTTP/1 answer, where nothing else is said. */
const defaultHeadersKb = 80;

/** What a cluster's protocol options say of the codecs of its connections. */
export function compileClientCodec(
  common: CommonHttpOptions | undefined,
  http1: Http1ProtocolOptions | undefined,
  http2: Http2ProtocolOptions | undefined,
  where = 'cluster',
): ClientCodecOptions {
  const count = common?.maxHeadersCount;
  const kb = common?.maxResponseHeadersKb;
  const counted = count === undefined ? {} : { maxHeadersCount: count };
  return {
    http1: {
      ...counted,
      maxHeadersBytes: 1024 * (kb ?? defaultHeadersKb),
      allowChunkedLength: http1?.allowChunkedLength ?? false,
      ...compileHeaderCase(http1?.headerKeyFormat, where),
    },
    http2: {
      ...counted,
      ...(kb === undefined ? {} : { maxHeadersBytes: 1024 * kb }),
      ...http2SettingsOf(http2),
    },
  };
}
