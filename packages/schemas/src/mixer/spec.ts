import { z } from 'zod';
import { duration, uint32 } from '../fields.ts';

/** `config.istio.io/v1alpha2`: what Mixer runs. */
const params = z.record(z.string(), z.unknown());

const oauth = z.strictObject({
  clientId: z.string().describe('Identifier of the client.'),
  clientSecret: z.string().describe("Path of the file that holds the client's secret."),
  tokenUrl: z.string().describe('Where tokens are fetched.'),
  scopes: z.array(z.string()).optional().describe('Scopes that are asked for.'),
  endpointParams: z.record(z.string(), z.string()).optional().describe('Further parameters of the request for a token.'),
});

/** Of Mixer towards an adapter outside of it; all of the texts that name files are paths. */
const authentication = z.strictObject({
  tls: z
    .strictObject({
      caCertificates: z.string().optional().describe("File of the certificates that the adapter's is verified by."),
      tokenPath: z.string().optional().describe('File of the token.'),
      oauth: oauth.optional().describe('Tokens by client credentials.'),
      authHeader: z.enum(['PLAIN', 'BEARER']).optional().describe('How the token stands in the header: PLAIN or BEARER.'),
      customHeader: z.string().optional().describe('Header of the token, in place of Authorization.'),
      serverName: z.string().optional().describe("Name in the adapter's certificate."),
    })
    .optional()
    .describe('TLS, with a token where one is given.'),
  mutual: z
    .strictObject({
      privateKey: z.string().describe("File of Mixer's key."),
      clientCertificate: z.string().describe("File of Mixer's certificate."),
      caCertificates: z.string().optional().describe("File of the certificates that the adapter's is verified by."),
      serverName: z.string().optional().describe("Name in the adapter's certificate."),
    })
    .optional()
    .describe('Mutual TLS.'),
});

export const connection = z.strictObject({
  address: z.string().describe('host:port of the adapter, or unix:///path.'),
  timeout: duration.optional().describe('Time limit of a call.'),
  authentication: authentication.optional().describe('How Mixer and the adapter know each other.'),
});

export const handlerSpec = z
  .strictObject({
    compiledAdapter: z
      .string()
      .optional()
      .describe('Adapter in Mixer, such as prometheus, stdio, denier, listchecker, memquota or redisquota.'),
    adapter: z.string().optional().describe('Name of an adapter object, for one outside of Mixer.'),
    params: params.optional().describe('Settings of the adapter.'),
    connection: connection.optional().describe('How an adapter outside of Mixer is reached.'),
  })
  .describe('An adapter with its settings: where Mixer sends what instances make of attributes.');

export const adapterSpec = z
  .strictObject({
    description: z.string().optional().describe('What it does.'),
    sessionBased: z.boolean().optional().describe('Whether handlers are announced to it before calls.'),
    templates: z.array(z.string()).optional().describe('Templates that it takes, by name.'),
    config: z.string().optional().describe('Base64 of the FileDescriptorSet that has the message Params; none: handlers have no params.'),
  })
  .describe('An adapter that runs outside of Mixer: what it takes.');

export const templateSpec = z
  .strictObject({
    descriptor: z.string().describe('Base64 of a FileDescriptorSet with all imports.'),
  })
  .describe('A template that Mixer was not built with.');

export const instanceSpec = z
  .strictObject({
    compiledTemplate: z.string().optional().describe('Template in Mixer, such as metric, logentry, listentry, quota or authorization.'),
    template: z.string().optional().describe('Name of a template object.'),
    params: params.optional().describe('Expression of each field, such as request.method | "GET".'),
    attributeBindings: z
      .record(z.string(), z.string())
      .optional()
      .describe("Attributes that the adapter's output sets, by name: $out.field."),
  })
  .describe('A template filled with expressions over the attributes of a request.');

const headerOperation = z.strictObject({
  name: z.string().describe('Name of the header.'),
  values: z.array(z.string()).optional().describe('Expressions of the values.'),
  operation: z.enum(['REPLACE', 'REMOVE', 'APPEND']).optional().describe('REPLACE (the default), REMOVE or APPEND.'),
});

export const ruleSpec = z
  .strictObject({
    match: z.string().optional().describe('Expression over attributes, such as destination.service.name == "reviews"; none: always.'),
    actions: z
      .array(
        z.strictObject({
          handler: z.string().describe('Name of a handler, as name or name.namespace.'),
          instances: z.array(z.string()).optional().describe('Names of instances.'),
          name: z.string().optional().describe('Name by which header operations use the output.'),
        }),
      )
      .optional()
      .describe('Handlers with the instances that they get.'),
    requestHeaderOperations: z.array(headerOperation).optional().describe("Changes of the request's headers."),
    responseHeaderOperations: z.array(headerOperation).optional().describe("Changes of the response's headers."),
    sampling: z
      .strictObject({
        random: z
          .strictObject({
            attributeExpression: z.string().optional().describe('Expression whose value decides, in place of chance.'),
            percentSampled: params.optional().describe('Share, as numerator and denominator (HUNDRED, TEN_THOUSAND).'),
            useIndependentRandomness: z.boolean().optional().describe('Decide anew at each proxy.'),
          })
          .optional()
          .describe('A share of the requests.'),
        rateLimit: z
          .strictObject({
            samplingDuration: duration.optional().describe('Span of time.'),
            maxUnsampledEntries: uint32.optional().describe('Requests that are reported before sampling begins.'),
            samplingRate: uint32.optional().describe('One of how many is reported after that.'),
          })
          .optional()
          .describe('A number of requests for each span of time.'),
      })
      .optional()
      .describe('Only some of the requests are reported.'),
  })
  .describe('What is sent to which handler, and when.');

export const attributeManifestSpec = z
  .strictObject({
    revision: z.string().optional().describe('Revision of the manifest.'),
    name: z.string().optional().describe('Name of what produces them.'),
    attributes: z
      .record(
        z.string(),
        z.strictObject({
          description: z.string().optional().describe('What the attribute is.'),
          valueType: z
            .string()
            .describe('STRING, INT64, DOUBLE, BOOL, TIMESTAMP, IP_ADDRESS, EMAIL_ADDRESS, URI, DNS_NAME, DURATION or STRING_MAP.'),
        }),
      )
      .describe('Attributes by name.'),
  })
  .describe('Attributes that proxies or adapters produce, with their types.');

export type AdapterSpec = z.infer<typeof adapterSpec>;
export type ConnectionSpec = z.infer<typeof connection>;
export type TemplateSpec = z.infer<typeof templateSpec>;
export type HandlerSpec = z.infer<typeof handlerSpec>;
export type InstanceSpec = z.infer<typeof instanceSpec>;
export type RuleSpec = z.infer<typeof ruleSpec>;
export type AttributeManifestSpec = z.infer<typeof attributeManifestSpec>;
