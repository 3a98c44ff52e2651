import { z } from 'zod';

/**
 * Kinds of releases before 1.4 with their plurals: each adapter and each template had one of its own, whose spec is what are the
 * `params` of a `handler` or an `instance` today. Release 1.4 still read them, and so do we.
 */
export const OLDER_HANDLER_KINDS: Readonly<Record<string, string>> = {
  denier: 'deniers',
  fluentd: 'fluentds',
  kubernetesenv: 'kubernetesenvs',
  listchecker: 'listcheckers',
  memquota: 'memquotas',
  opa: 'opas',
  prometheus: 'prometheuses',
  rbac: 'rbacs',
  redisquota: 'redisquotas',
  statsd: 'statsds',
  stdio: 'stdios',
  zipkin: 'zipkins',
};

export const OLDER_INSTANCE_KINDS: Readonly<Record<string, string>> = {
  apikey: 'apikeys',
  authorization: 'authorizations',
  checknothing: 'checknothings',
  edge: 'edges',
  kubernetes: 'kuberneteses',
  listentry: 'listentries',
  logentry: 'logentries',
  metric: 'metrics',
  quota: 'quotas',
  reportnothing: 'reportnothings',
  tracespan: 'tracespans',
};

/** What it may hold is the adapter's to say, as with `params` of a handler. */
export const olderHandlerSpec = z.record(z.string(), z.unknown()).describe('Settings of the adapter.');

/** The same of a template; `kubernetes` has bindings beside its params. */
export const olderInstanceSpec = z
  .looseObject({
    attributeBindings: z
      .record(z.string(), z.string())
      .optional()
      .describe("Attributes that the adapter's output sets, by name: $out.field."),
  })
  .describe('A template filled with expressions over the attributes of a request.');

export type OlderHandlerSpec = z.infer<typeof olderHandlerSpec>;
export type OlderInstanceSpec = z.infer<typeof olderInstanceSpec>;
