import { type DescMessage, fromBinary, type MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import { XebecError } from '@xebec/core';
import { typeNameOf } from '../unpack.ts';

/** Refuses a configuration; the text is Envoy's where Envoy has one. */
export function refuse(text: string): never {
  throw new XebecError('E_CONFIG', text);
}

/** A field of the API that would change what happens, and is not executed: to accept it would give wrong answers. */
export function notExecuted(field: string, instead?: string): never {
  return refuse(`${field} is not supported${instead === undefined ? '' : `; use ${instead}`}`);
}

/** The message in an Any when it is of this type. */
export function inside<D extends DescMessage>(any: Any | undefined, schema: D): MessageShape<D> | undefined {
  return any !== undefined && typeNameOf(any) === schema.typeName ? fromBinary(schema, any.value) : undefined;
}

/** An extension that is named without its configuration: Envoy finds extensions by the type of their configuration only. */
export function requireTypedConfig(extension: { readonly name: string }, any: Any | undefined): void {
  if (any === undefined || any.typeUrl === '') refuse(`Didn't find a registered implementation for '${extension.name}' with type URL: ''`);
}

export const isIpAddress = (text: string): boolean => /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) || text.includes(':');
