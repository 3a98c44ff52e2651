import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { ScalarType } from '@bufbuild/protobuf';
import type { ValueType } from '@xebec/expressions';

/** Messages of `policy/v1beta1` that hold one value, by their last name, and the type that an expression for them must have. */
const VALUE_MESSAGES: Readonly<Record<string, ValueType>> = {
  IPAddress: 'IP_ADDRESS',
  TimeStamp: 'TIMESTAMP',
  Duration: 'DURATION',
  DNSName: 'DNS_NAME',
  EmailAddress: 'EMAIL_ADDRESS',
  Uri: 'URI',
  StringMap: 'STRING_MAP',
};

/** Where these messages live, now and before release 1.1. */
const PACKAGES = ['istio.policy.v1beta1.', 'istio.mixer.adapter.model.v1beta1.'];

/** `any` for `Value`; undefined for messages that are not values. */
export function valueMessageType({ typeName }: DescMessage): ValueType | 'any' | undefined {
  const prefix = PACKAGES.find((name) => typeName.startsWith(name));
  if (prefix === undefined) return undefined;
  const name = typeName.slice(prefix.length);
  return name === 'Value' ? 'any' : VALUE_MESSAGES[name];
}

/** The type of expressions for a scalar field; undefined for those that no expression makes. */
export function scalarValueType(scalar: ScalarType): ValueType | undefined {
  switch (scalar) {
    case ScalarType.STRING:
      return 'STRING';
    case ScalarType.BOOL:
      return 'BOOL';
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return 'DOUBLE';
    case ScalarType.BYTES:
      return undefined;
    default:
      return 'INT64';
  }
}

/** What one field holds, as expressions see it: a value, values by name, or fields of its own. */
export type FieldKind =
  | { readonly kind: 'value' | 'map'; readonly type: ValueType | 'any' }
  | { readonly kind: 'group'; readonly message: DescMessage }
  | { readonly kind: 'unsupported'; readonly what: string };

export function fieldKind(field: DescField): FieldKind {
  switch (field.fieldKind) {
    case 'scalar': {
      const type = scalarValueType(field.scalar);
      return type === undefined ? { kind: 'unsupported', what: 'bytes' } : { kind: 'value', type };
    }
    case 'message': {
      const type = valueMessageType(field.message);
      return type === undefined ? { kind: 'group', message: field.message } : { kind: 'value', type };
    }
    case 'map': {
      if (field.mapKey !== ScalarType.STRING) return { kind: 'unsupported', what: 'a map whose keys are no strings' };
      if (field.mapKind === 'scalar') {
        const type = scalarValueType(field.scalar);
        return type === undefined ? { kind: 'unsupported', what: 'a map of bytes' } : { kind: 'map', type };
      }
      const type = field.mapKind === 'message' ? valueMessageType(field.message) : undefined;
      return type === undefined ? { kind: 'unsupported', what: 'a map of messages or enumerators' } : { kind: 'map', type };
    }
    case 'enum':
      return { kind: 'unsupported', what: 'an enumerator' };
    default:
      return { kind: 'unsupported', what: 'a list' };
  }
}
