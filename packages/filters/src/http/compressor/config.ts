import { XebecError } from '@xebec/core';
import {
  type Compressor,
  type Compressor_CommonDirectionConfig,
  CompressorPerRouteSchema,
  CompressorSchema,
} from '@xebec/protos/envoy/extensions/filters/http/compressor/v3/compressor';
import { compileCompressor } from '../../compression/library.ts';
import { decodeConfig } from '../../decode.ts';
import type { FilterContext, HttpFilterDefinition } from '../../http-filter.ts';
import { flagNow } from '../../runtime-share.ts';
import { CompressorFilter, type CompressorPerRoute, directionStats, negotiationStats } from './filter.ts';

const name = 'envoy.filters.http.compressor';

const defaultTypes = [
  'application/javascript',
  'application/json',
  'application/xhtml+xml',
  'image/svg+xml',
  'text/css',
  'text/html',
  'text/plain',
  'text/xml',
];
const DEFAULT_MIN_BYTES = 30;

export const compressorDefinition: HttpFilterDefinition = {
  name,
  typeNames: [CompressorSchema.typeName, CompressorPerRouteSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(CompressorSchema, bytes);
    const library = compileCompressor(proto.compressorLibrary, name);
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const prefix = `compressor.${library.name}.${library.statPrefix}`;
    const { requestDirectionConfig: request, responseDirectionConfig: response } = proto;
    const responsePrefix = response === undefined ? prefix : `${prefix}response.`;
    const config = {
      library,
      chooseFirst: proto.chooseFirst,
      request: {
        ...directionOf(request?.commonConfig, proto, false, context),
        ...(request === undefined ? { enabled: () => false } : {}),
        stats: directionStats(scope, `${prefix}request.`),
      },
      response: {
        ...directionOf(response === undefined ? undefined : (response.commonConfig ?? 'none'), proto, true, context),
        stats: directionStats(scope, responsePrefix),
        negotiation: negotiationStats(scope, prefix),
        disableOnEtag: response === undefined ? proto.disableOnEtagHeader : response.disableOnEtagHeader,
        removeAcceptEncoding: response === undefined ? proto.removeAcceptEncodingHeader : response.removeAcceptEncodingHeader,
        uncompressibleStatuses: new Set(response?.uncompressibleResponseCodes),
      },
    };
    return {
      create: (callbacks) => {
        const perRoute = callbacks.perRouteConfig(context.filterName) as CompressorPerRoute | undefined; // what compilePerRoute below returned
        return new CompressorFilter(config, perRoute, callbacks);
      },
    };
  },
  compilePerRoute(bytes): CompressorPerRoute {
    const { override } = decodeConfig(CompressorPerRouteSchema, bytes);
    if (override.case === undefined) throw new XebecError('E_FILTER_CONFIG', `${name}: per-route configuration says nothing`);
    return override.case === 'disabled'
      ? { disabled: true, removeAcceptEncoding: false }
      : { disabled: false, removeAcceptEncoding: override.value.responseDirectionConfig?.removeAcceptEncodingHeader };
  },
};

/** The old fields at the top count only while `response_direction_config` is not there. */
function directionOf(
  common: Compressor_CommonDirectionConfig | 'none' | undefined,
  proto: Compressor,
  response: boolean,
  context: FilterContext,
) {
  const own = common === 'none' ? undefined : common;
  const old = common === undefined && response;
  const types = old ? proto.contentType : (own?.contentType ?? []);
  const enabled = old ? proto.runtimeEnabled : own?.enabled;
  return {
    enabled: flagNow(enabled, context),
    minBytes: (old ? proto.contentLength : own?.minContentLength) ?? DEFAULT_MIN_BYTES,
    contentTypes: new Set(types.length === 0 ? defaultTypes : types),
  };
}
