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

/** The type of what a handler may find out in this field; undefined: no expression can read it. */
export function outputType(field: DescField): ValueType | undefined {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarValueType(field.scalar);
    case 'enum':
      return 'INT64';
    case 'message': {
      const type = valueMessageType(field.message) ?? PLAIN_MESSAGES[field.message.typeName];
      return type === 'any' ? undefined : type;
    }
    case 'map':
      return field.mapKey === ScalarType.STRING && field.mapKind === 'scalar' && field.scalar === ScalarType.STRING
        ? 'STRING_MAP'
        : undefined;
    default:
      return undefined;
  }
}

const PLAIN_MESSAGES: Readonly<Record<string, ValueType>> = {
  'google.protobuf.Duration': 'DURATION',
  'google.protobuf.Timestamp': 'TIMESTAMP',
};
