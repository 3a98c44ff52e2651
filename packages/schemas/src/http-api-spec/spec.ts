import { z } from 'zod';
import { duration, stringMap } from '../fields.ts';

/** One of them says the value (`istio.mixer.v1.Attributes.AttributeValue`). */
const attributeValue = z.strictObject({
  stringValue: z.string().optional(),
  int64Value: z.int().optional(),
  doubleValue: z.number().optional(),
  boolValue: z.boolean().optional(),
  bytesValue: z.string().optional(),
  timestampValue: z.string().optional(),
  durationValue: duration.optional(),
  stringMapValue: z.strictObject({ entries: stringMap.optional() }).optional(),
});
const attributes = z.strictObject({ attributes: z.record(z.string(), attributeValue).optional() });

/** `config.istio.io/v1alpha2` HTTPAPISpec: attributes that requests of an API get. */
export const httpApiSpecSpec = z.strictObject({
  attributes: attributes.optional(),
  patterns: z
    .array(
      z.strictObject({
        attributes: attributes.optional(),
        httpMethod: z.string().optional(),
        uriTemplate: z.string().optional(),
        regex: z.string().optional(),
      }),
    )
    .optional(),
  apiKeys: z
    .array(z.strictObject({ query: z.string().optional(), header: z.string().optional(), cookie: z.string().optional() }))
    .optional(),
});

export type HttpApiSpecSpec = z.infer<typeof httpApiSpecSpec>;
export type AttributeValues = z.infer<typeof attributes>;
