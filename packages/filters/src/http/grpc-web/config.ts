import { GrpcWebSchema } from '@xebec/protos/envoy/extensions/filters/http/grpc_web/v3/grpc_web';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { createGrpcWebFilter } from './filter.ts';

export const grpcWebDefinition: HttpFilterDefinition = {
  name: 'envoy.filters.http.grpc_web',
  typeNames: [GrpcWebSchema.typeName],
  compile(bytes, _, context) {
    decodeConfig(GrpcWebSchema, bytes);
    return { create: (callbacks) => createGrpcWebFilter(context.stats, callbacks) };
  },
};
