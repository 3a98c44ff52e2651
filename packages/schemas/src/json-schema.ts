import { z } from 'zod';
import { duration } from './fields.ts';
import type { KindDefinition } from './kind.ts';
import { kinds } from './kinds.ts';
import { meshNetworks } from './mesh-config/mesh-networks.ts';
import { meshConfig } from './mesh-config/spec.ts';

/** A JSON Schema of draft 7, the one that every editor knows, as plain data. */
export type JsonSchema = Readonly<Record<string, unknown>>;

const DRAFT = 'http://json-schema.org/draft-07/schema#';
const DURATION = '^(0|[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+\\.?[0-9]*|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*)$';
const strings = { type: ['object', 'null'], additionalProperties: { type: 'string' } };
const METADATA = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1 },
    generateName: { type: 'string' },
    namespace: { type: ['string', 'null'] },
    labels: strings,
    annotations: strings,
  },
};

/** For editors: what a whole object of a kind may hold. Closed, so that a misspelt field is underlined as it is written. */
export function toJsonSchema(definition: KindDefinition): JsonSchema {
  return { $schema: DRAFT, ...objectSchema(definition) };
}

/** MeshConfig and MeshNetworks, which are no objects of an API but files, by name. */
export function settingsJsonSchemas(): Readonly<Record<string, JsonSchema>> {
  return {
    MeshConfig: { $schema: DRAFT, title: 'MeshConfig', ...fieldsSchema(meshConfig) },
    MeshNetworks: { $schema: DRAFT, title: 'MeshNetworks', ...fieldsSchema(meshNetworks) },
  };
}

/**
 * One schema for files that hold objects of all kinds, told apart by `apiVersion` and `kind`. Objects of other groups, such as
 * Deployments, are let through; unknown kinds of the mesh's groups are not.
 */
export function allJsonSchema(): JsonSchema {
  const groups = [...new Set(kinds.map(({ group }) => group.replaceAll('.', '\\.')))].join('|');
  const name = ({ group, kind }: KindDefinition): string => `${group}.${kind}`;
  return {
    $schema: DRAFT,
    title: 'Objects of the mesh',
    type: 'object',
    required: ['apiVersion', 'kind'],
    oneOf: [
      ...kinds.map((definition) => ({ $ref: `#/definitions/${name(definition)}` })),
      { title: 'Object of another API', properties: { apiVersion: { type: 'string', not: { pattern: `^(${groups})/` } } } },
    ],
    definitions: Object.fromEntries(kinds.map((definition) => [name(definition), objectSchema(definition)])),
  };
}

function objectSchema({ group, kind, spec, versions }: KindDefinition): JsonSchema {
  return {
    title: kind,
    description: spec.description ?? `${kind} of ${group}`,
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata'],
    additionalProperties: false,
    properties: {
      apiVersion: { enum: versions.map((version) => `${group}/${version}`) },
      kind: { const: kind, description: spec.description ?? kind },
      metadata: METADATA,
      spec: fieldsSchema(spec),
      status: { type: 'object' },
    },
  };
}

function fieldsSchema(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...fields } = z.toJSONSchema(schema, {
    target: 'draft-7',
    unrepresentable: 'any',
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const otherNames = Object.keys(jsonSchema.properties ?? {})
        .map(snakeCase)
        .filter((name) => name.includes('_'));
      // Admission reads the names of the .proto files too; in an editor they are let through, and not suggested.
      if (jsonSchema.additionalProperties === false && otherNames.length > 0)
        jsonSchema.patternProperties = { [`^(${otherNames.join('|')})$`]: {} };
      if (zodSchema !== duration) return;
      jsonSchema.pattern = DURATION;
      // A keyword of VS Code's JSON and YAML services.
      jsonSchema['patternErrorMessage'] = 'Not a duration: write a number and a unit, such as 500ms, 7s or 1h30m';
    },
  });
  return fields;
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
