import { DecompressorSchema } from '@xebec/protos/envoy/extensions/filters/http/decompressor/v3/decompressor';
import { compileDecompressor } from '../../compression/library.ts';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { flagNow } from '../../runtime-share.ts';
import { type DecompressorConfig, DecompressorFilter, decompressorStats } from './filter.ts';

const name = 'envoy.filters.http.decompressor';

export const decompressorDefinition: HttpFilterDefinition = {
  name,
  typeNames: [DecompressorSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(DecompressorSchema, bytes);
    const library = compileDecompressor(proto.decompressorLibrary, name);
    const scope = context.stats.scope(`http.${context.statPrefix}`);
    const prefix = `decompressor.${library.name}.${library.statPrefix}`;
    const { requestDirectionConfig: request, responseDirectionConfig: response } = proto;
    const config: DecompressorConfig = {
      library,
      advertise: request?.advertiseAcceptEncoding ?? true,
      request: {
        enabled: flagNow(request?.commonConfig?.enabled, context),
        ignoreNoTransform: request?.commonConfig?.ignoreNoTransformHeader ?? false,
        stats: decompressorStats(scope, `${prefix}request.`),
      },
      response: {
        enabled: flagNow(response?.commonConfig?.enabled, context),
        ignoreNoTransform: response?.commonConfig?.ignoreNoTransformHeader ?? false,
        stats: decompressorStats(scope, `${prefix}response.`),
      },
    };
    return { create: (callbacks) => new DecompressorFilter(config, callbacks) };
  },
};
