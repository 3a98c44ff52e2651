import { XebecError } from '@xebec/core';
import { BufferPerRouteSchema, BufferSchema } from '@xebec/protos/envoy/extensions/filters/http/buffer/v3/buffer';
import { header } from '@xebec/wire';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilter, HttpFilterCallbacks, HttpFilterDefinition } from '../../http-filter.ts';

const name = 'envoy.filters.http.buffer';

/**
 * Holds a request back until its body is whole, and answers 413 when it is larger than allowed. While this filter says `stop`
 * the chain keeps the body's pieces.
 */
function createFilter(maxBytes: number, callbacks: HttpFilterCallbacks): HttpFilter {
  let size = 0;
  const setLength = (): void => {
    const { headers } = callbacks.request;
    if (header(headers, 'content-length') === undefined) headers.push('content-length', String(size));
  };
  return {
    onRequestHead: (_, endStream) => (endStream ? 'continue' : 'stop'),
    onRequestData(data, endStream) {
      const kept = size > 0;
      size += data.length;
      // What comes whole with the end of the stream need not be kept, so that its length is not looked at, as in Envoy.
      if (size > maxBytes && (!endStream || (kept && data.length > 0))) {
        callbacks.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
        return 'stop';
      }
      if (endStream) setLength();
      return endStream ? 'continue' : 'stop';
    },
    onRequestTrailers() {
      setLength();
      return 'continue';
    },
  };
}

export const bufferDefinition: HttpFilterDefinition = {
  name,
  typeNames: [BufferSchema.typeName, BufferPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const maxBytes = decodeConfig(BufferSchema, bytes).maxRequestBytes ?? 0;
    if (maxBytes < 1) throw new XebecError('E_FILTER_CONFIG', `${name}: max_request_bytes must be at least 1`);
    return {
      create: (callbacks) => {
        const override = callbacks.perRouteConfig(context.filterName) as number | undefined; // what compilePerRoute below returned
        return override === 0 ? {} : createFilter(override ?? maxBytes, callbacks);
      },
    };
  },
  /** The limit in bytes; 0 switches the filter off. */
  compilePerRoute(bytes): number {
    const { override } = decodeConfig(BufferPerRouteSchema, bytes);
    return override.case === 'buffer' ? (override.value.maxRequestBytes ?? 0) : 0;
  },
};
