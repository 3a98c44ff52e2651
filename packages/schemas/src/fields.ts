import { z } from 'zod';

/**
 * A protobuf duration as users write it: `7s`, `100ms`, `1h30m`. Kept as text so that what is shown is what was written;
 * `durationMs` reads it.
 */
export const duration = z.string().refine((text) => durationMs(text) !== undefined, {
  error: (issue) => `"${String(issue.input)}" is not a duration: write a number and a unit, such as 500ms, 7s or 1h30m`,
});

const DURATION = /^[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/;
const UNIT_MS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds of a Go or protobuf JSON duration; undefined when it is not one. */
export function durationMs(text: string): number | undefined {
  if (text === '0') return 0;
  if (!DURATION.test(text)) return undefined;
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g))
    total += Number(number) * (UNIT_MS[unit ?? ''] ?? 0);
  return text.startsWith('-') ? -total : total;
}

export const portNumber = z.int().min(1).max(65535);
export const uint32 = z.int().min(0).max(4294967295);
export const int32 = z.int().min(-2147483648).max(2147483647);
export const stringMap = z.record(z.string(), z.string());
export const percent = z.number().min(0).max(100);

/** One of exact, prefix and regex; an empty object matches when the thing is present. */
export const stringMatch = z.strictObject({
  exact: z.string().optional().describe('The whole value.'),
  prefix: z.string().optional().describe('What the value begins with.'),
  regex: z.string().optional().describe('RE2 regular expression that the whole value fits.'),
});

export const workloadSelector = z.strictObject({
  matchLabels: stringMap.optional().describe('Labels that pods must have, all of them; none: every pod of the namespace.'),
});
/** The older form that networking kinds use. */
export const labelSelector = z.strictObject({
  labels: stringMap.optional().describe('Labels that pods must have, all of them; none: every pod of the namespace.'),
});

export const targetReference = z.strictObject({
  group: z.string().optional().describe('API group of the object: gateway.networking.k8s.io for Gateways, empty for Services.'),
  kind: z.string().describe('Kind of the object, such as Gateway or Service.'),
  name: z.string().describe('Name of the object.'),
  namespace: z.string().optional().describe('Namespace of the object; only its own is possible, so leave it out.'),
});

export const exportTo = z.array(z.string()).optional();
export type StringMatch = z.infer<typeof stringMatch>;
