/** Types of Mixer's attributes and expressions, as `policy/v1beta1` ValueType names them. */
export const VALUE_TYPES = [
  'STRING',
  'INT64',
  'DOUBLE',
  'BOOL',
  'TIMESTAMP',
  'IP_ADDRESS',
  'EMAIL_ADDRESS',
  'URI',
  'DNS_NAME',
  'DURATION',
  'STRING_MAP',
] as const;

export type ValueType = (typeof VALUE_TYPES)[number];

export function isValueType(text: string): text is ValueType {
  return VALUE_TYPES.some((type) => type === text);
}

export type StringMap = ReadonlyMap<string, string>;

/**
 * A value at run time. INT64 is a bigint; TIMESTAMP (since the epoch) and DURATION are nanoseconds as bigint; IP_ADDRESS is 4 or
 * 16 bytes; EMAIL_ADDRESS, URI and DNS_NAME are text as it came. The static type tells which.
 */
export type Value = string | bigint | number | boolean | Uint8Array | StringMap;

/** A value that left the static checker's reach, with its type. */
export interface TypedValue {
  readonly type: ValueType;
  readonly value: Value;
}

/** An attribute as the wire carries it: there are fewer forms than types. */
export type AttributeValue =
  | { readonly form: 'string'; readonly value: string }
  | { readonly form: 'int64'; readonly value: bigint }
  | { readonly form: 'double'; readonly value: number }
  | { readonly form: 'bool'; readonly value: boolean }
  | { readonly form: 'bytes'; readonly value: Uint8Array }
  | { readonly form: 'timestamp'; readonly value: bigint }
  | { readonly form: 'duration'; readonly value: bigint }
  | { readonly form: 'stringMap'; readonly value: StringMap };

export type AttributeForm = AttributeValue['form'];

/** Attribute values by name. Absence means something, so there are no empty entries. */
export type AttributeBag = ReadonlyMap<string, AttributeValue>;

export const FORM_OF: Readonly<Record<ValueType, AttributeForm>> = {
  STRING: 'string',
  INT64: 'int64',
  DOUBLE: 'double',
  BOOL: 'bool',
  TIMESTAMP: 'timestamp',
  IP_ADDRESS: 'bytes',
  EMAIL_ADDRESS: 'string',
  URI: 'string',
  DNS_NAME: 'string',
  DURATION: 'duration',
  STRING_MAP: 'stringMap',
};

/** A typed value in the form in which bags have it. */
export function toAttributeValue({ type, value }: TypedValue): AttributeValue {
  // The type says which form the value has.
  return { form: FORM_OF[type], value } as AttributeValue;
}
