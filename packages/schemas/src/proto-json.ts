import { child, isRecord, unwrap } from './violations.ts';

const INTEGER = /^-?\d+(?:\.\d+)?$/;
const DECIMAL = /^-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?$/;

/**
 * What protobuf's JSON mapping takes in more than one spelling, in the one that the schema knows: numbers written as text
 * (`port: "9000"`), enumerators by their numbers (schemas name them in the order of their numbers), fields by their names in
 * the .proto file (`trust_domain`), null and, where a schema has no zero, 0 for what is not set. Anything else stays as it is,
 * for the schema to judge. Source: protobuf.dev/programming-guides/json.
 */
export function plainProtoJson(schema: unknown, value: unknown): unknown {
  const inner = unwrap(schema);
  if (Array.isArray(value)) {
    const element = child(inner, 0);
    return value.map((entry) => plainProtoJson(element, entry));
  }
  if (isRecord(value)) {
    const shape = isRecord(inner) && isRecord(inner['shape']) ? inner['shape'] : undefined;
    // Free-form content, such as a value that is merged into Envoy's configuration, has no spelling of ours.
    if (shape === undefined && child(inner, '') === undefined) return value;
    return Object.fromEntries(
      Object.entries(value)
        .map(([key, entry]) => {
          const name = shape === undefined || key in shape ? key : (known(shape, camelCase(key)) ?? key);
          const field = child(inner, name);
          // In a map, null is a message with nothing in it.
          return [name, plainProtoJson(field, shape === undefined && entry === null && isMessage(field) ? {} : entry)] as const;
        })
        .filter(([name, entry]) => (shape === undefined ? entry !== null : !isUnset(shape[name], entry))),
    );
  }
  if (typeof value === 'string' && isNumber(inner) && (isInteger(inner) ? INTEGER : DECIMAL).test(value)) return Number(value);
  if (typeof value === 'number' && isRecord(inner) && Array.isArray(inner['options'])) return inner['options'][value] ?? value;
  return value;
}

/** Whether null, or 0 where a field that has no zero may be left out, such as a port, stands for "not set". */
function isUnset(field: unknown, value: unknown): boolean {
  if (value === null) return field !== undefined;
  const inner = unwrap(field);
  return (
    value === 0 && inner !== field && isNumber(inner) && isRecord(inner) && typeof inner['minValue'] === 'number' && inner['minValue'] > 0
  );
}

/** Whether a value is an object with fields that the schema names. */
export function isMessage(schema: unknown): boolean {
  const inner = unwrap(schema);
  return isRecord(inner) && isRecord(inner['shape']);
}

function known(shape: Record<string, unknown>, name: string): string | undefined {
  return name in shape ? name : undefined;
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function isInteger(schema: unknown): boolean {
  return isRecord(schema) && schema['isInt'] === true;
}

function isNumber(schema: unknown): boolean {
  return isRecord(schema) && schema['type'] === 'number';
}
