import { z } from 'zod';

/** An object whose fields may be written in snake case too, as release 1.4 read them (protobuf JSON). */
export function protoObject<S extends z.ZodRawShape>(shape: S) {
  const names = new Map(Object.keys(shape).map((name) => [name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), name]));
  const rename = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [names.get(key) ?? key, field]));
  };
  return z.preprocess(rename, z.strictObject(shape));
}

/** An int64 as protobuf JSON has it: a number, or its digits as text. */
export const wholeNumber = z.union([
  z.int(),
  z
    .string()
    .regex(/^-?\d{1,15}$/, 'is not a whole number')
    .transform(Number),
]);
