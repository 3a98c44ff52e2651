import { z } from 'zod';
import type { KindDefinition } from './kind.ts';

/** A CustomResourceDefinition as plain data, ready for YAML or JSON. */
export type CustomResourceDefinition = Readonly<Record<string, unknown>>;

type JsonSchema = Record<string, unknown>;

/**
 * The CRD of a kind, generated from its zod schema: structural OpenAPI v3, every version served with the same schema, the
 * first stored.
 *
 * Objects keep unknown fields so that Galley's admission webhook sees them and can answer with a path and a suggestion;
 * pruning would silently drop what the user wrote.
 *
 * Fields are described in the first version alone, the one that `kubectl explain` shows: what kubectl keeps of an object that is
 * applied must fit into an annotation of 256 KiB.
 */
export function toCustomResourceDefinition(definition: KindDefinition): CustomResourceDefinition {
  const spec = structural(z.toJSONSchema(definition.spec, { target: 'openapi-3.0', unrepresentable: 'any', io: 'input' }));
  const schemaOf = (fields: JsonSchema): JsonSchema => ({
    openAPIV3Schema: {
      ...(fields['description'] === undefined ? {} : { description: fields['description'] }),
      type: 'object',
      properties: { spec: fields, status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
    },
  });
  const first = schemaOf(spec);
  const others = schemaOf(withoutDescriptions(spec));
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${definition.plural}.${definition.group}`, labels: { app: 'xebec' } },
    spec: {
      group: definition.group,
      scope: 'Namespaced',
      names: {
        kind: definition.kind,
        listKind: `${definition.kind}List`,
        plural: definition.plural,
        singular: definition.kind.toLowerCase(),
        shortNames: definition.shortNames,
        categories: ['istio-io'],
      },
      versions: definition.versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        schema: index === 0 ? first : others,
        subresources: { status: {} },
        additionalPrinterColumns: definition.printerColumns,
      })),
    },
  };
}

/** Keeps what a structural schema may hold and turns closed objects into open ones. */
function structural(node: unknown): JsonSchema {
  if (typeof node !== 'object' || node === null) return {};
  const input = node as JsonSchema; // z.toJSONSchema returns plain JSON
  const output: JsonSchema = {};
  for (const key of ['type', 'enum', 'description', 'pattern', 'minimum', 'maximum', 'nullable'])
    if (key in input) output[key] = input[key];
  if (input['items'] !== undefined) output['items'] = structural(input['items']);
  if (isObject(input['properties'])) {
    output['properties'] = Object.fromEntries(Object.entries(input['properties']).map(([name, value]) => [name, structural(value)]));
    output['x-kubernetes-preserve-unknown-fields'] = true;
  } else if (isObject(input['additionalProperties'])) {
    const values = structural(input['additionalProperties']);
    if (values['type'] === undefined) output['x-kubernetes-preserve-unknown-fields'] = true;
    else output['additionalProperties'] = values;
  }
  if (output['type'] === undefined) output['x-kubernetes-preserve-unknown-fields'] = true;
  return output;
}

function withoutDescriptions({ description: _, ...schema }: JsonSchema): JsonSchema {
  const plain = (value: unknown): unknown => (isObject(value) ? withoutDescriptions(value) : value);
  const output = { ...schema };
  if (isObject(schema['properties']))
    output['properties'] = Object.fromEntries(Object.entries(schema['properties']).map(([name, value]) => [name, plain(value)]));
  for (const key of ['items', 'additionalProperties']) if (isObject(schema[key])) output[key] = plain(schema[key]);
  return output;
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
