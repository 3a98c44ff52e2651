import { query, sameList } from '@xebec/incremental';
import { hostCovers, type KnownKinds, type MeshSnapshot, resolveHost, type Service } from '@xebec/model';
import type { ApiSpecSchema, QuotaRuleSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import type { AttributeValues, ConfigObject, HttpApiSpecSpec, QuotaSpecSpec, ServiceReference } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';

type QuotaRuleFields = Fields<typeof QuotaRuleSchema>;
type ApiSpecFields = Fields<typeof ApiSpecSchema>;

/** What calls of a service are charged: the rules of all QuotaSpecs that bindings name for it. */
export function quotaRulesOf(snapshot: MeshSnapshot, service: Service): QuotaRuleFields[] {
  return boundQuotaSpecs(snapshot, service).flatMap((object) => (object.spec.rules ?? []).map(quotaRule));
}

/** The APIs that a service has. */
export function apiSpecsOf(snapshot: MeshSnapshot, service: Service): ApiSpecFields[] {
  return boundApiSpecs(snapshot, service).map((object) => apiSpec(object.spec));
}

/** Lists of objects, so that services do not depend on bindings of others. */
const boundQuotaSpecs = query(
  'quota specs of a service',
  (snapshot: MeshSnapshot, service: Service) => {
    const bindings = snapshot.config
      .all('QuotaSpecBinding')
      .map(({ metadata, spec }) => ({ ...metadata, ...spec, specs: spec.quotaSpecs }));
    return bound(snapshot, service, 'QuotaSpec', bindings);
  },
  { same: sameList },
);

const boundApiSpecs = query(
  'API specs of a service',
  (snapshot: MeshSnapshot, service: Service) => {
    const bindings = snapshot.config
      .all('HTTPAPISpecBinding')
      .map(({ metadata, spec }) => ({ ...metadata, ...spec, specs: spec.apiSpecs }));
    return bound(snapshot, service, 'HTTPAPISpec', bindings);
  },
  { same: sameList },
);

interface Binding {
  readonly namespace: string;
  readonly services?: readonly ServiceReference[] | undefined;
  readonly specs: readonly { readonly name?: string | undefined; readonly namespace?: string | undefined }[] | undefined;
}

/** The specs that bindings of any namespace name for the service, the oldest binding first, each once. */
function bound<S extends 'QuotaSpec' | 'HTTPAPISpec'>(
  snapshot: MeshSnapshot,
  service: Service,
  kind: S,
  bindings: readonly Binding[],
): readonly ConfigObject<KnownKinds[S]>[] {
  const found = new Set<ConfigObject<KnownKinds[S]>>();
  for (const { namespace, services = [], specs = [] } of bindings) {
    if (!services.some((reference) => names(reference, namespace, service, snapshot.domain))) continue;
    for (const reference of specs) {
      const at = reference.namespace === undefined || reference.namespace === '' ? namespace : reference.namespace;
      const spec = snapshot.config.in(kind, at).find(({ metadata }) => metadata.name === reference.name);
      if (spec !== undefined) found.add(spec);
    }
  }
  return [...found];
}

/** Whether a binding's reference is to the service. */
function names(reference: ServiceReference, namespace: string, service: Service, domain: string): boolean {
  const { name, service: host } = reference;
  if (host !== undefined && host !== '') return host === '*' || hostCovers(resolveHost(host, namespace, domain), service.hostname);
  if (name === undefined || name === '') return false;
  const at = reference.namespace || namespace;
  const full =
    reference.domain === undefined || reference.domain === '' ? `${name}.${at}.svc.${domain}` : `${name}.${at}.${reference.domain}`;
  return full === service.hostname || (service.name === name && service.namespace === at);
}

function quotaRule({ match = [], quotas = [] }: NonNullable<QuotaSpecSpec['rules']>[number]): QuotaRuleFields {
  return {
    match: match.map(({ clause = {} }) => ({
      clause: Object.fromEntries(
        Object.entries(clause).map(([attribute, { exact, prefix, regex }]) => {
          if (exact !== undefined) return [attribute, { matchType: { case: 'exact' as const, value: exact } }];
          if (prefix !== undefined) return [attribute, { matchType: { case: 'prefix' as const, value: prefix } }];
          return [attribute, regex === undefined ? {} : { matchType: { case: 'regex' as const, value: regex } }];
        }),
      ),
    })),
    quotas: quotas.map(({ quota = '', charge = 1 }) => ({ quota, charge: BigInt(charge) })),
  };
}

function apiSpec({ attributes, patterns = [], apiKeys = [] }: HttpApiSpecSpec): ApiSpecFields {
  return {
    attributes: textAttributes(attributes),
    patterns: patterns.map((pattern) => ({
      attributes: textAttributes(pattern.attributes),
      httpMethod: pattern.httpMethod ?? '',
      ...(pattern.uriTemplate !== undefined
        ? { pattern: { case: 'uriTemplate' as const, value: pattern.uriTemplate } }
        : pattern.regex !== undefined
          ? { pattern: { case: 'regex' as const, value: pattern.regex } }
          : {}),
    })),
    apiKeys: apiKeys.map(({ query: parameter, header, cookie }) =>
      parameter !== undefined
        ? { key: { case: 'query' as const, value: parameter } }
        : header !== undefined
          ? { key: { case: 'header' as const, value: header } }
          : { key: { case: 'cookie' as const, value: cookie ?? '' } },
    ),
  };
}

/** Attributes of APIs are text in the vocabulary. */
function textAttributes(values: AttributeValues | undefined) {
  const entries = Object.entries(values?.attributes ?? {}).flatMap(([name, { stringValue }]) =>
    stringValue === undefined ? [] : [[name, { value: { case: 'stringValue' as const, value: stringValue } }] as const],
  );
  return { attributes: Object.fromEntries(entries) };
}
