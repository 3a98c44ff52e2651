import { err, ok, type Result, type Violation } from '@xebec/core';
import { durationMs, toViolations } from '@xebec/schemas';
import { z } from 'zod';
import { directHttpResponse } from './direct-response.ts';

/** A duration such as `5s`, read into milliseconds. */
export const milliseconds = z.string().transform((text, context) => {
  const ms = durationMs(text);
  if (ms !== undefined && ms >= 0) return ms;
  context.addIssue({ code: 'custom', message: `"${text}" is not a duration: write a number and a unit, such as 500ms, 7s or 1h30m` });
  return z.NEVER;
});

/** google.rpc.Status as users write it; of details only direct responses mean something. */
export const rpcStatus = z.strictObject({
  code: z.int().min(0).max(16).optional(),
  message: z.string().optional(),
  details: z.array(directHttpResponse).optional(),
});

/** Reads a handler's params; every violation has its path below `spec.params`. */
export function parseParams<S extends z.ZodType>(schema: S, params: unknown): Result<z.output<S>> {
  const parsed = schema.safeParse(params ?? {}, { reportInput: true });
  return parsed.success ? ok(parsed.data) : err(toViolations(parsed.error, ['spec', 'params'], schema));
}

/** The `check` of an adapter whose params are one schema. */
export function checkBySchema(schema: z.ZodType): (params: unknown) => readonly Violation[] {
  return (params) => {
    const parsed = parseParams(schema, params);
    return parsed.ok ? [] : parsed.error;
  };
}
