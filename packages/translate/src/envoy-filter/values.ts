import { type DescMessage, fromJson, type JsonValue, type MessageShape, type Registry } from '@bufbuild/protobuf';
import { createProtoRegistry } from '@xebec/protos/registry';
import { withSeconds } from './go-durations.ts';

let registry: Registry | undefined;

/** Built at the first EnvoyFilter: a mesh without any does not pay for it. */
export function types(): Registry {
  registry ??= createProtoRegistry();
  return registry;
}

/** A patch's value as a message; undefined when it is none. Fields of another release of Envoy are left out. */
export function decodeValue<Desc extends DescMessage>(schema: Desc, value: unknown): MessageShape<Desc> | undefined {
  try {
    // The value was read from YAML or JSON, so it is JSON.
    return fromJson(schema, withSeconds(schema, value as JsonValue, types()), { registry: types(), ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}
