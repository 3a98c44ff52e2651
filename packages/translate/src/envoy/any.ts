import { create, type DescMessage, type MessageInitShape, type MessageShape } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';

/** The fields of a message as `create` takes them, and never a finished message: what can be spread. */
export type Fields<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, MessageShape<Desc>>;

/** Packs a message, given as its fields, into `google.protobuf.Any`. */
export function pack<Desc extends DescMessage>(schema: Desc, init?: MessageInitShape<Desc>): Any {
  return anyPack(schema, create(schema, init));
}

/** `{name, typed_config}` as extensions with a oneof `config_type` have it: filters, transport sockets, access loggers. */
export function extension<Desc extends DescMessage>(name: string, schema: Desc, init?: MessageInitShape<Desc>) {
  return { name, configType: { case: 'typedConfig' as const, value: pack(schema, init) } };
}

/** `{name, typed_config}` of `core.v3.TypedExtensionConfig`. */
export function typedExtension<Desc extends DescMessage>(name: string, schema: Desc, init?: MessageInitShape<Desc>) {
  return { name, typedConfig: pack(schema, init) };
}
