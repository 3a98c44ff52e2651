import { child, isRecord, unwrap } from './violations.ts';

/**
 * What protobuf's JSON mapping takes in more than one spelling, in the one that the schema knows: numbers written as text
 * (`port: "9000"`), fields by their names in the .proto file (`trust_domain`), and null for what is not set. Anything else
 * stays as it is, for the schema to judge. Source: protobuf.dev/programming-guides/json.
 */
export function plainProtoJson(schema: unknown, value: unknown): unknown {
  const inner = unwrap(schema);
  if (Array.isArray(value)) {
    const element = child(inner, 0);
    return value.map((entry) => plainProtoJson(element, entry));
  }
  if (isRecord(value)) {
    const shape = isRecord(inner) && isRecord(inner['shape']) ? inner['shape'] : undefined;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, entry]) => entry !== null)
        .map(([key, entry]) => {
          const name = shape === undefined || key in shape ? key : (known(shape, camelCase(key)) ?? key);
          return [name, plainProtoJson(child(inner, name), entry)];
        }),
    );
  }
  return typeof value === 'string' && isNumber(inner) && /^-?\d+(?:\.\d+)?$/.test(value) ? Number(value) : value;
}

function known(shape: Record<string, unknown>, name: string): string | undefined {
  return name in shape ? name : undefined;
}

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

function isNumber(schema: unknown): boolean {
  return isRecord(schema) && schema['type'] === 'number';
}
