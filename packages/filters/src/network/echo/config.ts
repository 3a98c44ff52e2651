import { EchoSchema } from '@xebec/protos/envoy/extensions/filters/network/echo/v3/echo';
import { decodeConfig } from '../../decode.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';

export const echoDefinition: NetworkFilterDefinition = {
  name: 'envoy.filters.network.echo',
  typeNames: [EchoSchema.typeName],
  compile(bytes) {
    decodeConfig(EchoSchema, bytes);
    return {
      create: (callbacks) => ({
        onData(data, endStream) {
          callbacks.write(data, endStream);
          return 'stop';
        },
      }),
    };
  },
};
