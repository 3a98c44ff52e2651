import { z } from 'zod';
import { duration, uint32 } from '../fields.ts';

/** `config.istio.io/v1alpha2`: what Mixer runs. */
const params = z.record(z.string(), z.unknown());

const oauth = z.strictObject({
  clientId: z.string(),
  /** Path of the file that holds it. */
  clientSecret: z.string(),
  tokenUrl: z.string(),
  scopes: z.array(z.string()).optional(),
  endpointParams: z.record(z.string(), z.string()).optional(),
});

/** Of Mixer towards an adapter outside of it; all of the texts that name files are paths. */
const authentication = z.strictObject({
  tls: z
    .strictObject({
      caCertificates: z.string().optional(),
      tokenPath: z.string().optional(),
      oauth: oauth.optional(),
      authHeader: z.enum(['PLAIN', 'BEARER']).optional(),
      customHeader: z.string().optional(),
      serverName: z.string().optional(),
    })
    .optional(),
  mutual: z
    .strictObject({
      privateKey: z.string(),
      clientCertificate: z.string(),
      caCertificates: z.string().optional(),
      serverName: z.string().optional(),
    })
    .optional(),
});

export const connection = z.strictObject({
  address: z.string(),
  timeout: duration.optional(),
  authentication: authentication.optional(),
});

export const handlerSpec = z.strictObject({
  compiledAdapter: z.string().optional(),
  adapter: z.string().optional(),
  params: params.optional(),
  connection: connection.optional(),
});

/** An adapter that runs outside of Mixer. */
export const adapterSpec = z.strictObject({
  description: z.string().optional(),
  sessionBased: z.boolean().optional(),
  templates: z.array(z.string()).optional(),
  /** Base64 of the FileDescriptorSet that has the message `Params`; empty: handlers have no params. */
  config: z.string().optional(),
});

/** A template that Mixer was not built with. */
export const templateSpec = z.strictObject({
  /** Base64 of a FileDescriptorSet with all imports. */
  descriptor: z.string(),
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

export type AdapterSpec = z.infer<typeof adapterSpec>;
export type ConnectionSpec = z.infer<typeof connection>;
export type TemplateSpec = z.infer<typeof templateSpec>;
export type HandlerSpec = z.infer<typeof handlerSpec>;
export type InstanceSpec = z.infer<typeof instanceSpec>;
export type RuleSpec = z.infer<typeof ruleSpec>;
export type AttributeManifestSpec = z.infer<typeof attributeManifestSpec>;
