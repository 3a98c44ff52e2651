import { hash } from 'node:crypto';
import { create, fromBinary, fromJson, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import { type Any, StructSchema, timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import { err, ok, type Result } from '@xebec/core';
import { type Resource, ResourceSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import { type ConfigObject, decodeObject, kinds, type ObjectMeta } from '@xebec/schemas';
import { fromMessageBody, messageTypeUrl, toMessageBody } from './message-body.ts';

const STRUCT_TYPE = 'type.googleapis.com/google.protobuf.Struct';

/** ConfigMaps travel whole: the mesh configuration is one. */
export const CONFIG_MAPS = 'k8s/core/v1/configmaps';

/** Annotations for what MCP's metadata has no place for; they exist on the way only. */
const GENERATION = 'mcp.xebec.io/generation';
const HEALTHY = 'mcp.xebec.io/healthy';
/** Virtual addresses of a ServiceEntry's hosts: they stand in the status, which travels no other way. */
const ALLOCATED = 'mcp.xebec.io/allocated';

interface Collection {
  readonly name: string;
  readonly apiVersion: string;
  readonly kind: string;
}

/** Every collection there is: one for each kind of the mesh, and ConfigMaps. */
export const collections: readonly Collection[] = [
  ...kinds.map(({ collection, group, versions, kind }) => ({ name: collection, apiVersion: `${group}/${versions[0]}`, kind })),
  { name: CONFIG_MAPS, apiVersion: 'v1', kind: 'ConfigMap' },
];

const byName = new Map(collections.map((collection) => [collection.name, collection]));
const byGroupAndKind = new Map(collections.map(({ name, apiVersion, kind }) => [`${groupOf(apiVersion)}/${kind}`, name]));

function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash === -1 ? apiVersion : apiVersion.slice(0, slash);
}

/** The collection an object travels in, or undefined for kinds that do not travel. */
export function collectionOf(object: { readonly apiVersion: string; readonly kind: string }): string | undefined {
  return byGroupAndKind.get(`${groupOf(object.apiVersion)}/${object.kind}`);
}

/** `namespace/name`, or the name alone of cluster-scoped objects. */
export function resourceName(metadata: { readonly namespace: string; readonly name: string }): string {
  return metadata.namespace === '' ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/**
 * An object as an MCP resource. The body is the spec as google.protobuf.Struct, which has place for every field of every kind; sinks that
 * have not asked for it get release 1.4's message of the kind instead (`inMessageForm`). A ConfigMap's body is the whole object.
 */
export function toResource(object: ConfigObject): Resource {
  const { metadata, spec } = object;
  const created = new Date(metadata.creationTimestamp);
  const json = JSON.stringify(spec);
  return create(ResourceSchema, {
    metadata: {
      name: resourceName(metadata),
      // Objects from files have no version of their own, and equal versions are never sent twice.
      version: metadata.resourceVersion || hash('sha256', JSON.stringify([metadata, json]), 'base64url').slice(0, 22),
      labels: { ...metadata.labels },
      annotations: {
        ...metadata.annotations,
        ...(metadata.generation > 0 ? { [GENERATION]: String(metadata.generation) } : {}),
        ...(object.allocated === undefined ? {} : { [ALLOCATED]: JSON.stringify(object.allocated) }),
        ...(object.healthy === undefined ? {} : { [HEALTHY]: String(object.healthy) }),
      },
      ...(Number.isNaN(created.getTime()) ? {} : { createTime: timestampFromDate(created) }),
    },
    // A decoded spec is plain JSON; going through text drops keys whose value is undefined.
    body: { typeUrl: STRUCT_TYPE, value: toBinary(StructSchema, fromJson(StructSchema, JSON.parse(json))) },
  });
}

/** The same resource as release 1.4 had it: with the message of its collection for a body, without annotations that nobody else knows. */
export function inMessageForm(collection: string, resource: Resource): Resource {
  const { metadata, body } = resource;
  if (body?.typeUrl !== STRUCT_TYPE) return resource;
  const message = toMessageBody(collection, toJson(StructSchema, fromBinary(StructSchema, body.value)));
  if (message === undefined) return resource;
  const annotations = metadata === undefined ? {} : withoutOurs(metadata.annotations).theirs;
  return create(ResourceSchema, { ...(metadata === undefined ? {} : { metadata: { ...metadata, annotations } }), body: message });
}

function withoutOurs({ [GENERATION]: generation, [HEALTHY]: healthy, [ALLOCATED]: allocated, ...theirs }: Record<string, string>) {
  return { generation, healthy, allocated, theirs };
}

/** The object that a resource of a collection stands for, validated again: the peer may be of another version. */
export function fromResource(collection: string, resource: Resource): Result<ConfigObject, string> {
  const known = byName.get(collection);
  const { metadata, body } = resource;
  if (known === undefined) return err(`unknown collection "${collection}"`);
  if (metadata === undefined || metadata.name === '') return err(`${collection}: a resource without name`);
  let spec: JsonValue;
  try {
    spec = readBody(collection, body);
  } catch (error) {
    return err(`${collection} ${metadata.name}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { generation, healthy, allocated, theirs: annotations } = withoutOurs(metadata.annotations);
  const slash = metadata.name.indexOf('/');
  const meta: ObjectMeta = {
    name: metadata.name.slice(slash + 1),
    namespace: slash === -1 ? '' : metadata.name.slice(0, slash),
    labels: metadata.labels,
    annotations,
    creationTimestamp: metadata.createTime === undefined ? '' : timestampDate(metadata.createTime).toISOString().replace('.000Z', 'Z'),
    resourceVersion: metadata.version,
    uid: '',
    generation: Number(generation ?? 0) || 0,
  };
  const { apiVersion, kind } = known;
  if (collection === CONFIG_MAPS) return ok({ apiVersion, kind, metadata: meta, spec });
  const status = allocated === undefined ? {} : { status: { addresses: parsed(allocated) } };
  const decoded = decodeObject({ apiVersion, kind, metadata: meta, spec, ...status });
  if (decoded.ok) return healthy === undefined ? decoded : ok({ ...decoded.value, healthy: healthy === 'true' });
  return err(`${kind} ${metadata.name}: ${decoded.error.map(({ path, message }) => `${path}: ${message}`).join('; ')}`);
}

function readBody(collection: string, body: Any | undefined): JsonValue {
  const typeUrl = body?.typeUrl ?? '';
  const message = messageTypeUrl(collection);
  if (body === undefined || (typeUrl !== STRUCT_TYPE && typeUrl !== message))
    throw new Error(`body is "${typeUrl}" but must be ${STRUCT_TYPE}${message === undefined ? '' : ` or ${message}`}`);
  try {
    return typeUrl === message ? fromMessageBody(collection, body.value) : toJson(StructSchema, fromBinary(StructSchema, body.value));
  } catch (error) {
    throw new Error(`body does not decode: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What is no JSON is nothing. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
