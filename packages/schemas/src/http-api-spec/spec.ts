import { z } from 'zod';
import { duration, stringMap } from '../fields.ts';

/** One of them says the value (`istio.mixer.v1.Attributes.AttributeValue`). */
const attributeValue = z.strictObject({
  stringValue: z.string().optional().describe('Text.'),
  int64Value: z.int().optional().describe('Whole number.'),
  doubleValue: z.number().optional().describe('Number.'),
  boolValue: z.boolean().optional().describe('true or false.'),
  bytesValue: z.string().optional().describe('Bytes in base64.'),
  timestampValue: z.string().optional().describe('Time, as 2019-11-14T12:00:00Z.'),
  durationValue: duration.optional().describe('Duration.'),
  stringMapValue: z
    .strictObject({ entries: stringMap.optional().describe('Texts by name.') })
    .optional()
    .describe('Texts by name.'),
});
const attributes = z.strictObject({ attributes: z.record(z.string(), attributeValue).optional().describe('Values by attribute.') });

/** `config.istio.io/v1alpha2` HTTPAPISpec: attributes that requests of an API get. */
export const httpApiSpecSpec = z
  .strictObject({
    attributes: attributes.optional().describe('Attributes of every request.'),
    patterns: z
      .array(
        z.strictObject({
          attributes: attributes.optional().describe('Attributes of requests that fit.'),
          httpMethod: z.string().optional().describe('Method of the request.'),
          uriTemplate: z.string().optional().describe('Path with placeholders, such as /pets/{id}.'),
          regex: z.string().optional().describe('RE2 regular expression of the path, in place of uriTemplate.'),
        }),
      )
      .optional()
      .describe('Attributes of requests by method and path.'),
    apiKeys: z
      .array(
        z.strictObject({
          query: z.string().optional().describe('Query parameter.'),
          header: z.string().optional().describe('Header.'),
          cookie: z.string().optional().describe('Cookie.'),
        }),
      )
      .optional()
      .describe('Where API keys are read from; the first that is there counts.'),
  })
  .describe('Attributes that requests of an API get, for Mixer.');

export type HttpApiSpecSpec = z.infer<typeof httpApiSpecSpec>;
export type AttributeValues = z.infer<typeof attributes>;
