import { XebecError } from '@xebec/core';
import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/network/direct_response/v3/config';
import { decodeConfig } from '../../decode.ts';
import type { FilterStatus } from '../../http-filter.ts';
import type { NetworkFilterDefinition } from '../../network-filter.ts';

export const directResponseDefinition: NetworkFilterDefinition = {
  name: 'envoy.filters.network.direct_response',
  typeNames: [ConfigSchema.typeName],
  compile(bytes) {
    const source = decodeConfig(ConfigSchema, bytes).response?.specifier;
    if (source?.case === 'filename' || source?.case === 'environmentVariable') {
      throw new XebecError('E_FILTER_CONFIG', 'envoy.filters.network.direct_response: response must be inline');
    }
    const body = source?.case === undefined ? Buffer.alloc(0) : Buffer.from(source.value);
    return {
      create: (callbacks) => ({
        onNewConnection(): FilterStatus {
          callbacks.info.responseCodeDetails = 'direct_response';
          callbacks.write(body, true);
          callbacks.close('flush', '');
          return 'stop';
        },
      }),
    };
  },
};
