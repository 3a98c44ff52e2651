import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { errorText, XebecError } from '@xebec/core';

/** The full name of the message in an Any: what follows the last slash of its type URL. */
export function typeNameOf(any: Any): string {
  return any.typeUrl.slice(any.typeUrl.lastIndexOf('/') + 1);
}

/** Reads an Any as one known message; throws XebecError `E_CONFIG` naming `where` when it is another or is malformed. */
export function unpack<D extends DescMessage>(any: Any | undefined, schema: D, where: string): MessageShape<D> {
  if (any === undefined) throw new XebecError('E_CONFIG', `${where}: typed_config is missing; want ${schema.typeName}`);
  const typeName = typeNameOf(any);
  if (typeName !== schema.typeName) throw new XebecError('E_CONFIG', `${where}: want ${schema.typeName} but got ${typeName}`);
  try {
    return fromBinary(schema, any.value);
  } catch (cause) {
    throw new XebecError('E_CONFIG', `${where}: malformed ${typeName}: ${errorText(cause)}`, { cause });
  }
}
