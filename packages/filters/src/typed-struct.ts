import { fromBinary, fromJson, type Registry, toBinary, toJson } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type Any, StructSchema } from '@bufbuild/protobuf/wkt';
import { errorText, XebecError } from '@xebec/core';

export interface ResolvedConfig {
  /** Message name, such as `envoy.extensions.filters.http.cors.v3.Cors`. */
  readonly typeName: string;
  readonly value: Uint8Array;
}

const typedStructs = new Set(['udpa.type.v1.TypedStruct', 'xds.type.v3.TypedStruct']);

export const typeNameOf = (typeUrl: string) => typeUrl.slice(typeUrl.lastIndexOf('/') + 1);

/**
 * The message inside an Any, whether it is there itself or spelled out as a TypedStruct, as istiod sends Istio's own filters.
 * Throws XebecError `E_FILTER_CONFIG` when the struct does not fit its type.
 */
export function resolveTypedConfig(any: Any, registry: Registry): ResolvedConfig {
  const typeName = typeNameOf(any.typeUrl);
  if (!typedStructs.has(typeName)) return { typeName, value: any.value };
  const { innerType, struct } = readTypedStruct(any.value);
  const schema = registry.getMessage(innerType);
  // An unknown type is the caller's to refuse or ignore, by its name.
  if (schema === undefined) return { typeName: innerType, value: new Uint8Array() };
  try {
    const json = toJson(StructSchema, fromBinary(StructSchema, struct));
    return { typeName: innerType, value: toBinary(schema, fromJson(schema, json, { registry, ignoreUnknownFields: true })) };
  } catch (cause) {
    throw new XebecError('E_FILTER_CONFIG', `TypedStruct does not fit ${innerType}: ${errorText(cause)}`, { cause });
  }
}

function readTypedStruct(bytes: Uint8Array): { innerType: string; struct: Uint8Array } {
  const reader = new BinaryReader(bytes);
  let innerType = '';
  let struct: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) innerType = typeNameOf(reader.string());
    else if (field === 2) struct = reader.bytes();
    else reader.skip(wireType, field);
  }
  return { innerType, struct };
}
