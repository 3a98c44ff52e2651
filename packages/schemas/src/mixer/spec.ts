import { z } from 'zod';
import { duration, uint32 } from '../fields.ts';

/** `config.istio.io/v1alpha2`: what Mixer runs. */
const params = z.record(z.string(), z.unknown());

export const handlerSpec = z.strictObject({
  compiledAdapter: z.string().optional(),
  adapter: z.string().optional(),
  params: params.optional(),
  connection: z.strictObject({ address: z.string(), timeout: duration.optional(), authentication: params.optional() }).optional(),
});

export const instanceSpec = z.strictObject({
  compiledTemplate: z.string().optional(),
  template: z.string().optional(),
  params: params.optional(),
  attributeBindings: z.record(z.string(), z.string()).optional(),
});

const headerOperation = z.strictObject({
  name: z.string(),
  values: z.array(z.string()).optional(),
  operation: z.enum(['REPLACE', 'REMOVE', 'APPEND']).optional(),
});

export const ruleSpec = z.strictObject({
  match: z.string().optional(),
  actions: z
    .array(z.strictObject({ handler: z.string(), instances: z.array(z.string()).optional(), name: z.string().optional() }))
    .optional(),
  requestHeaderOperations: z.array(headerOperation).optional(),
  responseHeaderOperations: z.array(headerOperation).optional(),
  sampling: z
    .strictObject({
      random: z
        .strictObject({
          attributeExpression: z.string().optional(),
          percentSampled: params.optional(),
          useIndependentRandomness: z.boolean().optional(),
        })
        .optional(),
      rateLimit: z
        .strictObject({ samplingDuration: duration.optional(), maxUnsampledEntries: uint32.optional(), samplingRate: uint32.optional() })
        .optional(),
    })
    .optional(),
});

export const attributeManifestSpec = z.strictObject({
  revision: z.string().optional(),
  name: z.string().optional(),
  attributes: z.record(z.string(), z.strictObject({ description: z.string().optional(), valueType: z.string() })),
});

export type HandlerSpec = z.infer<typeof handlerSpec>;
export type InstanceSpec = z.infer<typeof instanceSpec>;
export type RuleSpec = z.infer<typeof ruleSpec>;
export type AttributeManifestSpec = z.infer<typeof attributeManifestSpec>;
