import { err, ok, type Result, type Violation } from '@xebec/core';
import { isValueType, VALUE_TYPES, type ValueType } from './value.ts';

/** The type of every attribute that expressions may name. */
export type Vocabulary = ReadonlyMap<string, ValueType>;

const BY_TYPE: Readonly<Partial<Record<ValueType, string>>> = {
  STRING: `
    source.uid source.name source.namespace source.principal source.user source.owner source.services
    source.workload.uid source.workload.name source.workload.namespace
    destination.uid destination.name destination.namespace destination.principal destination.owner
    destination.workload.uid destination.workload.name destination.workload.namespace
    destination.container.name destination.container.image
    destination.service.uid destination.service.host destination.service.name destination.service.namespace
    origin.uid origin.user
    request.id request.path request.url_path request.host request.method request.reason request.referer request.scheme
    request.useragent request.api_key request.auth.principal request.auth.audiences request.auth.presenter request.auth.raw_claims
    response.grpc_status response.grpc_message
    connection.id connection.event connection.requested_server_name
    context.protocol context.proxy_error_code context.proxy_version context.reporter.kind context.reporter.uid
    api.service api.version api.operation api.protocol
    check.error_message rbac.permissive.response_code rbac.permissive.effective_policy_id`,
  INT64: `
    destination.port request.size request.total_size response.size response.total_size response.code
    connection.received.bytes connection.received.bytes_total connection.sent.bytes connection.sent.bytes_total check.error_code`,
  BOOL: 'connection.mtls context.reporter.local check.cache_hit quota.cache_hit',
  TIMESTAMP: 'request.time response.time context.time context.timestamp',
  DURATION: 'response.duration connection.duration',
  IP_ADDRESS: 'source.ip destination.ip origin.ip',
  STRING_MAP: `
    source.labels source.metadata destination.labels destination.metadata request.headers request.query_params request.auth.claims
    response.headers`,
};

/** The attributes that proxies and the Kubernetes adapter produce (release 1.4's manifests `istioproxy` and `kubernetes`). */
export const standardVocabulary: Vocabulary = new Map(
  VALUE_TYPES.flatMap((type) =>
    (BY_TYPE[type] ?? '')
      .split(/\s+/)
      .filter((name) => name !== '')
      .map((name): [string, ValueType] => [name, type]),
  ),
);

/** The attributes of one `attributemanifest`. */
export type Manifest = Readonly<Record<string, { readonly valueType: string }>>;

/** A vocabulary with a manifest's attributes added; wrong types, and names that have another type already, are violations. */
export function extendVocabulary(base: Vocabulary, manifest: Manifest): Result<Vocabulary> {
  const all = new Map(base);
  const violations: Violation[] = [];
  for (const [name, { valueType }] of Object.entries(manifest)) {
    const path = `spec.attributes["${name}"].valueType`;
    const known = base.get(name);
    if (!isValueType(valueType)) violations.push({ path, message: `"${valueType}" is not one of ${VALUE_TYPES.join(', ')}` });
    else if (known !== undefined && known !== valueType)
      violations.push({ path, message: `${name} is ${valueType} here but ${known} elsewhere; give both the same type` });
    else all.set(name, valueType);
  }
  return violations.length > 0 ? err(violations) : ok(all);
}
