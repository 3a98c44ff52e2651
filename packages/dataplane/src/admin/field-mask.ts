import type { DescField, DescMessage, JsonValue } from '@bufbuild/protobuf';

/** Paths of a protobuf FieldMask, each as its field names. */
export type FieldMask = readonly (readonly string[])[];

export function parseFieldMask(text: string): FieldMask {
  return text
    .split(',')
    .filter((path) => path !== '')
    .map((path) => path.split('.'));
}

/** The field of a message by its name in the .proto file. */
export function fieldNamed(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.name === name);
}

/** Whether every path leads through single messages to a field; what lies in a list or an Any has no path. */
export function isValidMask(message: DescMessage, mask: FieldMask): boolean {
  return mask.every((path) => leads(message, path));
}

function leads(message: DescMessage, [first, ...rest]: readonly string[]): boolean {
  const field = first === undefined ? undefined : fieldNamed(message, first);
  if (field === undefined) return false;
  if (rest.length === 0) return true;
  return field.fieldKind === 'message' && leads(field.message, rest);
}

/** Paths of a dumped element: one step into the Any that holds the resource is allowed, and what follows is not checked. */
export function isValidElementMask(element: DescMessage, mask: FieldMask): boolean {
  return mask.every((path) => {
    const [first, ...rest] = path;
    const field = first === undefined ? undefined : fieldNamed(element, first);
    const any = field?.fieldKind === 'message' && field.message.typeName === 'google.protobuf.Any';
    return field !== undefined && (rest.length === 0 || any || leads(element, path));
  });
}

/** What a mask leaves of a value in JSON; types stay. */
export function masked(value: JsonValue, mask: FieldMask): JsonValue {
  if (Array.isArray(value)) return value.map((item) => masked(item, mask));
  if (typeof value !== 'object' || value === null) return value;
  const result: { [key: string]: JsonValue } = {};
  for (const [key, inner] of Object.entries(value)) {
    const below = mask.filter(([first]) => first === key);
    if (key === '@type' || below.some(({ length }) => length === 1)) result[key] = inner;
    else if (below.length > 0)
      result[key] = masked(
        inner,
        below.map((path) => path.slice(1)),
      );
  }
  return result;
}
