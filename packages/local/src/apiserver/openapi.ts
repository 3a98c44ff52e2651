import type { JsonObject } from './object.ts';
import type { ResourceRegistry } from './registry.ts';

/** Index of the OpenAPI v3 documents: one path per group and version. */
export function openApiV3Index(registry: ResourceRegistry): JsonObject {
  const paths: JsonObject = {};
  for (const group of registry.groups()) {
    for (const version of registry.versions(group)) {
      const key = group === '' ? `api/${version}` : `apis/${group}/${version}`;
      paths[key] = { serverRelativeURL: `/openapi/v3/${key}` };
    }
  }
  return { paths };
}

const parameter = (name: string, description: string): JsonObject => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string', uniqueItems: true },
});

/**
 * The OpenAPI v3 document of a group and version. It is small on purpose: kubectl reads from it that the server
 * validates fields (`fieldValidation`) and takes dry runs; with no strategic merge patch listed, kubectl computes
 * patches of built-in kinds from its own types. CRD schemas are included, so `kubectl explain` works on them.
 */
export function openApiV3Document(registry: ResourceRegistry, group: string, version: string): JsonObject {
  const paths: JsonObject = {};
  const schemas: JsonObject = {};
  for (const resource of registry.resourcesOf(group, version)) {
    const gvk = { group, version, kind: resource.kind };
    const id = `${group === '' ? 'io.k8s.api.core' : group.split('.').reverse().join('.')}.${version}.${resource.kind}`;
    const own = resource.versions.find(({ name }) => name === version)?.schema;
    schemas[id] = { ...(own ?? { type: 'object' }), 'x-kubernetes-group-version-kind': [gvk] };
    const base = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const collection = resource.namespaced ? `${base}/namespaces/{namespace}/${resource.plural}` : `${base}/${resource.plural}`;
    const write = {
      parameters: [
        parameter('dryRun', 'When present, indicates that modifications should not be persisted.'),
        parameter('fieldManager', 'The name of the actor or entity that is making these changes.'),
        parameter('fieldValidation', 'What to do with unknown or duplicate fields: Ignore, Warn or Strict.'),
      ],
      responses: { '200': { description: 'OK', content: { 'application/json': { schema: { $ref: `#/components/schemas/${id}` } } } } },
      'x-kubernetes-group-version-kind': gvk,
    };
    const read = { responses: write.responses, 'x-kubernetes-group-version-kind': gvk };
    const name = [{ name: 'name', in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }];
    const namespace = resource.namespaced
      ? [{ name: 'namespace', in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }]
      : [];
    paths[collection] = {
      parameters: namespace,
      get: { ...read, 'x-kubernetes-action': 'list' },
      post: { ...write, 'x-kubernetes-action': 'post' },
    };
    if (!resource.verbs.includes('patch')) continue;
    paths[`${collection}/{name}`] = {
      parameters: [...name, ...namespace],
      get: { ...read, 'x-kubernetes-action': 'get' },
      put: { ...write, 'x-kubernetes-action': 'put' },
      delete: { ...write, 'x-kubernetes-action': 'delete' },
      patch: { ...write, 'x-kubernetes-action': 'patch' },
    };
  }
  return { openapi: '3.0.0', info: { title: 'Kubernetes', version: 'v1.32.4' }, paths, components: { schemas } };
}

/** `/openapi/v2` as JSON: valid and empty; clients of today read v3. */
export const OPENAPI_V2: JsonObject = { swagger: '2.0', info: { title: 'Kubernetes', version: 'v1.32.4' }, paths: {}, definitions: {} };

/** The same document in gnostic's protobuf (openapi.v2.Document: swagger = 1, info = 2, paths = 8), which kubectl asks for. */
export function openApiV2Protobuf(): Buffer {
  const text = (field: number, value: string) =>
    Buffer.concat([Buffer.from([(field << 3) | 2, Buffer.byteLength(value)]), Buffer.from(value)]);
  const info = Buffer.concat([text(1, 'Kubernetes'), text(2, 'v1.32.4')]);
  return Buffer.concat([text(1, '2.0'), Buffer.from([(2 << 3) | 2, info.length]), info, Buffer.from([(8 << 3) | 2, 0])]);
}
