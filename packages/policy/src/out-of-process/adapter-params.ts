import { type DescField, type DescMessage, fromJson, type JsonValue, type Registry, toBinary } from '@bufbuild/protobuf';
import { err, errorText, nearest, ok, type Result, type Violation } from '@xebec/core';
import { durationMs } from '@xebec/schemas';
import { decodeDescriptorSet } from './descriptor-set.ts';

const MAX_DEPTH = 32;

/** What handlers of an adapter outside of Mixer may say in `params`. */
export interface AdapterParams {
  /** `type.googleapis.com/<message>`. */
  readonly typeUrl: string;
  /** The params as bytes of that message; every violation has its path below `spec.params`. */
  encode(params: unknown): Result<Uint8Array<ArrayBuffer>>;
}

/** Reads the `config` of an adapter object, whose message `Params` is what its handlers' params are. */
export function readAdapterParams(config: string): Result<AdapterParams, string> {
  if (config.trim() === '') return ok(noParams);
  const set = decodeDescriptorSet(config);
  if (!set.ok) return set;
  const imported = new Set(set.value.files.flatMap(({ proto }) => proto.dependency));
  const candidates = set.value.files.flatMap((file) => file.messages.filter(({ name }) => name === 'Params'));
  const params = candidates.find(({ file }) => !imported.has(file.proto.name)) ?? candidates.at(-1);
  if (params === undefined) return err('has no message called Params: handlers of this adapter could not be configured');
  return ok({ typeUrl: `type.googleapis.com/${params.typeName}`, encode: (value) => encodeMessage(params, value, set.value.registry) });
}

const noParams: AdapterParams = {
  typeUrl: '',
  encode: (params) => {
    const names = isRecord(params) ? Object.keys(params) : [];
    if (names.length === 0) return ok(new Uint8Array());
    return err([{ path: 'spec.params', message: `the adapter takes no params, for it has no spec.config; these are ${names.join(', ')}` }]);
  },
};

function encodeMessage(message: DescMessage, params: unknown, registry: Registry): Result<Uint8Array<ArrayBuffer>> {
  const violations: Violation[] = [];
  const json = readMessage(message, params ?? {}, 'spec.params', 0, violations, registry);
  if (violations.length > 0) return err(violations);
  try {
    return ok(toBinary(message, fromJson(message, json, { registry })));
  } catch (error) {
    return err([{ path: 'spec.params', message: errorText(error) }]);
  }
}

/** Protobuf's JSON of a message, in the spelling that the mapping wants; what is wrong goes to `violations`, field by field. */
function readMessage(
  message: DescMessage,
  value: unknown,
  path: string,
  depth: number,
  violations: Violation[],
  registry: Registry,
): JsonValue {
  if (message.typeName === 'google.protobuf.Duration' && typeof value === 'string') {
    const ms = durationMs(value);
    // Mixer's configuration is read as Go reads it: 100ms is a duration.
    if (ms !== undefined) return `${(ms / 1000).toFixed(9)}s`;
  }
  if (message.typeName.startsWith('google.protobuf.')) return asJson(value);
  if (!isRecord(value) || depth > MAX_DEPTH) {
    violations.push({ path, message: `must be an object with the fields of ${message.typeName}` });
    return {};
  }
  const read: Record<string, JsonValue> = {};
  for (const [key, content] of Object.entries(value)) {
    const at = `${path}.${key}`;
    const field = message.fields.find(({ name, jsonName }) => name === key || jsonName === key);
    if (field === undefined) {
      const suggestion = nearest(
        key,
        message.fields.map(({ name }) => name),
      );
      const hint = suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
      violations.push({ path: at, message: `unknown field "${key}"${hint}`, ...(suggestion === undefined ? {} : { suggestion }) });
      continue;
    }
    const before = violations.length;
    const json = readField(field, content, at, depth, violations, registry);
    if (violations.length === before) {
      const problem = fieldProblem(message, field, json, registry);
      if (problem === undefined) read[field.jsonName] = json;
      else violations.push({ path: at, message: problem });
    }
  }
  return read;
}

function readField(field: DescField, value: unknown, path: string, depth: number, violations: Violation[], registry: Registry): JsonValue {
  const inner = (message: DescMessage, content: unknown, at: string) => readMessage(message, content, at, depth + 1, violations, registry);
  if (value === null) return null;
  if (field.fieldKind === 'message') return inner(field.message, value, path);
  if (field.fieldKind === 'list' && field.listKind === 'message' && Array.isArray(value))
    return value.map((one, i) => inner(field.message, one, `${path}[${i}]`));
  if (field.fieldKind === 'map' && field.mapKind === 'message' && isRecord(value))
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inner(field.message, one, `${path}.${key}`)]));
  return asJson(value);
}

/** What protobuf's JSON mapping says of one field alone. */
function fieldProblem(message: DescMessage, field: DescField, json: JsonValue, registry: Registry): string | undefined {
  try {
    fromJson(message, { [field.jsonName]: json }, { registry });
    return undefined;
  } catch (error) {
    return errorText(error).replace(/^cannot decode (?:field|message) \S+ from JSON: /, '');
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Objects of configuration come from YAML or JSON, so they are JSON. */
const asJson = (value: unknown): JsonValue => value as JsonValue;
