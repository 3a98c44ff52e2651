import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';

/** Decodes a filter's configuration; throws XebecError `E_FILTER_CONFIG` naming the type when the bytes are not one. */
export function decodeConfig<T extends DescMessage>(schema: T, bytes: Uint8Array): MessageShape<T> {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new XebecError('E_FILTER_CONFIG', `configuration is not a ${schema.typeName}: ${errorText(cause)}`, { cause });
  }
}
