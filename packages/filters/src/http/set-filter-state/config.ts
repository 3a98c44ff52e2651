import { XebecError } from '@xebec/core';
import type { FilterStateValue } from '@xebec/protos/envoy/extensions/filters/common/set_filter_state/v3/value';
import { ConfigSchema } from '@xebec/protos/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state';
import { type CompiledFormat, compileFormat } from '@xebec/telemetry';
import { decodeConfig } from '../../decode.ts';
import type { HttpFilterDefinition } from '../../http-filter.ts';

const name = 'envoy.filters.http.set_filter_state';

/** Puts formatted texts into the stream's filter state, where hash policies, logs and matchers read them. */
export const setFilterStateDefinition: HttpFilterDefinition = {
  name,
  typeNames: [ConfigSchema.typeName],
  compile(bytes) {
    const values = decodeConfig(ConfigSchema, bytes).onRequestHeaders.map(compileValue);
    return {
      create: ({ info, request }) => ({
        onRequestHead() {
          for (const { key, format, skipIfEmpty } of values) {
            const text = format.format({ info, request });
            if (text !== '' || !skipIfEmpty) info.filterState.set(key, text);
          }
          return 'continue';
        },
      }),
    };
  },
};

/** Kinds of objects that Envoy and Istio bring; a name without factory would be refused there. */
const factories = /^(?:envoy|io\.istio|istio|wasm)\./;

function compileValue({ key, factoryKey, value, skipIfEmpty }: FilterStateValue): {
  key: string;
  format: CompiledFormat;
  skipIfEmpty: boolean;
} {
  if (key.case === undefined || key.value === '') throw new XebecError('E_FILTER_CONFIG', `${name}: object_key is missing`);
  if (!factories.test(factoryKey === '' ? key.value : factoryKey))
    throw new XebecError(
      'E_FILTER_CONFIG',
      `${name}: '${factoryKey === '' ? key.value : factoryKey}' does not have an object factory; set factory_key: envoy.string`,
    );
  const format = value.value?.format;
  const source =
    format?.case === 'textFormat'
      ? format.value
      : format?.case === 'textFormatSource' && format.value.specifier.case === 'inlineString'
        ? format.value.specifier.value
        : undefined;
  if (source === undefined)
    throw new XebecError('E_FILTER_CONFIG', `${name}: "${key.value}" needs format_string with an inline text format`);
  return { key: key.value, format: compileFormat(source, { omitEmpty: value.value?.omitEmptyValues ?? false }), skipIfEmpty };
}
