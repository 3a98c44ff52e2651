import { XebecError } from '@xebec/core';
import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/set_metadata/v3/set_metadata';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';
import { mergeStruct } from '../../metadata-merge.ts';

const name = 'envoy.filters.http.set_metadata';

/** Puts fixed values into the stream's dynamic metadata. */
export const setMetadataDefinition: HttpFilterDefinition = {
  name,
  typeNames: [ConfigSchema.typeName],
  compile(bytes, _, context) {
    const proto = decodeConfig(ConfigSchema, bytes);
    const overwriteDenied = context.stats.scope(`http.${context.statPrefix}`).counter('set_metadata.overwrite_denied');
    const entries = proto.metadata.map(({ metadataNamespace, allowOverwrite, value, typedValue }) => {
      if (typedValue !== undefined) throw new XebecError('E_FILTER_CONFIG', `${name}: typed_value is not supported; use value`);
      return { namespace: metadataNamespace, overwrite: allowOverwrite, value: value ?? {} };
    });
    const old = proto.metadataNamespace === '' ? undefined : { namespace: proto.metadataNamespace, value: proto.value ?? {} };
    return {
      create: ({ info }) => ({
        onRequestHead() {
          const { dynamicMetadata } = info;
          if (old !== undefined) dynamicMetadata.set(old.namespace, mergeStruct(dynamicMetadata.get(old.namespace), old.value));
          for (const { namespace, overwrite, value } of entries) {
            const before = dynamicMetadata.get(namespace);
            if (before === undefined) dynamicMetadata.set(namespace, { ...value });
            else if (overwrite) dynamicMetadata.set(namespace, mergeStruct(before, value));
            else overwriteDenied.add(1);
          }
          return 'continue';
        },
      }),
    };
  },
};
