import { toBinary } from '@bufbuild/protobuf';
import { type Resource, ResourceSchema, type Resources, ResourcesSchema } from '@xebec/protos/istio/mcp/v1alpha1/mcp';
import type { ScatteredMessage } from '@xebec/rpc';
import { inMessageForm } from './resource.ts';

/** Field 3, `resources`, length-delimited. */
const RESOURCES_TAG = (3 << 3) | 2;

/** How bodies are written: as Struct, or as release 1.4's message of the collection. */
export type BodyForm = 'struct' | 'message';

const made = () => ({ fields: new WeakMap<Resource, Uint8Array>(), bodies: new WeakMap<readonly Resource[], Uint8Array>() });
const encoded: Readonly<Record<BodyForm, ReturnType<typeof made>>> = { struct: made(), message: made() };

/**
 * A response as bytes. Each resource is encoded once in its life, and the same list of resources once for all sinks: what a sink that
 * does not read keeps in memory is then little more than what the source holds anyway. Protobuf allows it, since the
 * fields of a message may stand in any order and repeated ones in several places.
 */
export function encodeResponse(response: Resources, form: BodyForm): ScatteredMessage {
  const { resources, ...rest } = response;
  const head = toBinary(ResourcesSchema, { ...rest, resources: [] });
  const body = bodyOf(rest.collection, resources, form);
  return { parts: [head, body], byteLength: head.length + body.length };
}

function bodyOf(collection: string, resources: readonly Resource[], form: BodyForm): Uint8Array {
  const { bodies } = encoded[form];
  let body = bodies.get(resources);
  if (body === undefined) {
    body = Buffer.concat(resources.map((resource) => fieldOf(collection, resource, form)));
    bodies.set(resources, body);
  }
  return body;
}

function fieldOf(collection: string, resource: Resource, form: BodyForm): Uint8Array {
  const { fields } = encoded[form];
  let field = fields.get(resource);
  if (field === undefined) {
    const bytes = toBinary(ResourceSchema, form === 'struct' ? resource : inMessageForm(collection, resource));
    const head = [RESOURCES_TAG];
    let rest = bytes.length;
    for (; rest >= 0x80; rest = Math.floor(rest / 128)) head.push((rest % 128) | 0x80);
    head.push(rest);
    field = new Uint8Array(head.length + bytes.length);
    field.set(head);
    field.set(bytes, head.length);
    fields.set(resource, field);
  }
  return field;
}
