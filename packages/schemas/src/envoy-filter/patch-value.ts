import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  type Registry,
  ScalarType,
} from '@bufbuild/protobuf';
import { errorText, nearest } from '@xebec/core';
import { createProtoRegistry } from '@xebec/protos/registry';
import { durationMs } from '../fields.ts';
import type { FindingList } from '../findings.ts';
import { isOpaqueType } from './opaque-types.ts';
import type { EnvoyFilterPatch } from './spec.ts';

type Path = readonly PropertyKey[];

/** The message that a patch of each kind of object is merged into or made of. */
const MESSAGE_OF: Readonly<Partial<Record<EnvoyFilterPatch['applyTo'], string>>> = {
  LISTENER: 'envoy.config.listener.v3.Listener',
  FILTER_CHAIN: 'envoy.config.listener.v3.FilterChain',
  NETWORK_FILTER: 'envoy.config.listener.v3.Filter',
  HTTP_FILTER: 'envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter',
  ROUTE_CONFIGURATION: 'envoy.config.route.v3.RouteConfiguration',
  VIRTUAL_HOST: 'envoy.config.route.v3.VirtualHost',
  HTTP_ROUTE: 'envoy.config.route.v3.Route',
  CLUSTER: 'envoy.config.cluster.v3.Cluster',
  EXTENSION_CONFIG: 'envoy.config.core.v3.TypedExtensionConfig',
  BOOTSTRAP: 'envoy.config.bootstrap.v3.Bootstrap',
  LISTENER_FILTER: 'envoy.config.listener.v3.ListenerFilter',
};
const ANY = 'google.protobuf.Any';
const MAX_DEPTH = 100;
const NOT_WHOLE = [ScalarType.DOUBLE, ScalarType.FLOAT, ScalarType.STRING, ScalarType.BYTES, ScalarType.BOOL];

let registry: Registry | undefined;
/** Files of the API are loaded when a patch first needs them. */
const types = (): Registry => (registry ??= createProtoRegistry());

/**
 * A patch's value as the message of Envoy that it is to become: errors for values of the wrong type and unknown `@type`s; warnings
 * for unknown fields and enumerators, which another release of Envoy may have, and for what Envoy has deprecated.
 */
export function checkPatchValue(applyTo: EnvoyFilterPatch['applyTo'], value: unknown, path: Path, findings: FindingList): void {
  const schema = types().getMessage(MESSAGE_OF[applyTo] ?? '');
  // It was read from JSON or YAML.
  if (schema !== undefined) checkMessage(schema, value as JsonValue, path, findings, 0);
  if (schema !== undefined && isObject(value)) warnOfNames(schema, value, path, findings);
}

function checkMessage(schema: DescMessage, value: JsonValue, path: Path, findings: FindingList, depth: number): void {
  if (depth > MAX_DEPTH) findings.error(path, `nested deeper than ${MAX_DEPTH} messages`);
  else if (schema.typeName === ANY) checkAny(schema, value, path, findings, depth);
  else if (schema.typeName.startsWith('google.protobuf.')) findings.refuse(path, wellKnownProblem(schema, value));
  else if (!isObject(value)) findings.error(path, `${JSON.stringify(value)} is not an object; write the fields of ${schema.typeName}`);
  else checkFields(schema, value, path, findings, depth);
}

function checkFields(schema: DescMessage, value: JsonObject, path: Path, findings: FindingList, depth: number): void {
  const seen = new Set<string>();
  for (const [key, entry] of Object.entries(value)) {
    const at = [...path, key];
    const field = schema.fields.find(({ jsonName, name }) => jsonName === key || name === key);
    if (field === undefined) {
      findings.warning(at, `unknown field "${key}" of ${schema.typeName}${hint(key, schema.fields)}`);
      continue;
    }
    // Null is what is not set, but for a value of any type, where it is one.
    if (entry === null && field.message?.typeName !== 'google.protobuf.Value') continue;
    const place = field.oneof?.name ?? field.name;
    if (seen.has(place)) findings.error(at, `only one field of "${place}" can be set`);
    seen.add(place);
    if (field.proto.options?.deprecated === true) findings.warning(at, `"${field.name}" of ${schema.typeName} is deprecated`);
    checkField(schema, field, entry, at, findings, depth + 1);
  }
}

function checkField(owner: DescMessage, field: DescField, value: JsonValue, path: Path, findings: FindingList, depth: number): void {
  if (field.fieldKind === 'message') checkMessage(field.message, value, path, findings, depth);
  else if (field.fieldKind === 'list' && field.listKind === 'message' && Array.isArray(value))
    for (const [index, entry] of value.entries()) {
      if (entry !== null) checkMessage(field.message, entry, [...path, index], findings, depth);
    }
  else if (field.fieldKind === 'map' && field.mapKind === 'message' && isObject(value))
    for (const [key, entry] of Object.entries(value)) {
      if (entry !== null) checkMessage(field.message, entry, [...path, key], findings, depth);
    }
  else {
    const entries = Array.isArray(value) ? value.filter((entry) => entry !== null) : value;
    const unknown = field.enum === undefined ? [] : [entries].flat().filter((entry) => !isEnumerator(field.enum, entry));
    for (const name of unknown)
      findings.error(path, `${JSON.stringify(name)} is no ${field.enum?.typeName}${hint(String(name), field.enum?.values ?? [])}`);
    if (unknown.length === 0) findings.refuse(path, misfit(owner, { [field.name]: entries }) ?? numberProblem(field.scalar, value));
  }
}

function isEnumerator(enumeration: DescEnum, value: JsonValue): boolean {
  return typeof value !== 'string' || enumeration.values.some(({ name }) => name === value);
}

/** Durations may be written as Go writes them, such as `100ms`. */
function wellKnownProblem(schema: DescMessage, value: JsonValue): string | undefined {
  if (schema.typeName !== 'google.protobuf.Duration')
    return misfit(schema, value) ?? numberProblem(schema.fields.length === 1 ? schema.fields[0]?.scalar : undefined, value);
  if (typeof value === 'string' && durationMs(value) !== undefined) return undefined;
  return `${JSON.stringify(value)} is not a duration: write a number and a unit, such as 500ms, 7s or 1h30m`;
}

/** Whole numbers as text have digits alone. */
function numberProblem(scalar: ScalarType | undefined, value: JsonValue): string | undefined {
  const whole = scalar !== undefined && !NOT_WHOLE.includes(scalar);
  return whole && typeof value === 'string' && !/^-?\d+$/.test(value) ? `"${value}" is not a whole number` : undefined;
}

function hint(name: string, known: readonly { readonly name: string }[]): string {
  const suggestion = nearest(
    name,
    known.map((candidate) => candidate.name),
  );
  return suggestion === undefined ? '' : `; did you mean "${suggestion}"?`;
}

function checkAny(schema: DescMessage, value: JsonValue, path: Path, findings: FindingList, depth: number): void {
  if (!isObject(value)) {
    findings.error(path, `${JSON.stringify(value)} is not an object with "@type"`);
    return;
  }
  const { '@type': type, ...rest } = value;
  if (type === undefined) {
    findings.error([...path, '@type'], 'required field is missing: the type of the other fields');
    return;
  }
  const name = typeof type === 'string' ? type.slice(type.lastIndexOf('/') + 1) : '';
  const inner = types().getMessage(name);
  if (inner?.typeName.startsWith('google.protobuf.')) findings.refuse(path, misfit(schema, value));
  else if (inner !== undefined) checkMessage(inner, rest, path, findings, depth + 1);
  else if (!isOpaqueType(name)) {
    const why = /\.v2\w*\./.test(name) ? 'of the API that Envoy no longer has; write its v3 type' : 'no type of Envoy';
    findings.error([...path, '@type'], `${JSON.stringify(type)} is ${why}`);
  }
}

/** Filters that are found by their name alone, which Envoy no longer does. */
function warnOfNames(schema: DescMessage, value: JsonObject, path: Path, findings: FindingList): void {
  const typed = schema.fields.some(({ name }) => name === 'typed_config');
  const configured = ['typed_config', 'typedConfig', 'config_discovery', 'configDiscovery'].some((key) => (value[key] ?? null) !== null);
  if (typed && !configured)
    findings.warning(path, `"${String(value['name'] ?? '')}" has no typed_config: extensions are no longer found by their name`);
  for (const field of schema.fields) {
    const entry = value[field.name] ?? value[field.jsonName];
    if (field.fieldKind === 'message' && field.message.typeName !== ANY && isObject(entry))
      warnOfNames(field.message, entry, [...path, field.name], findings);
  }
}

/** Why the message cannot be read, without the name of its type in front; undefined when it can. */
function misfit(schema: DescMessage, value: JsonValue): string | undefined {
  try {
    fromJson(schema, value, { registry: types(), ignoreUnknownFields: true });
    return undefined;
  } catch (error) {
    return errorText(error).replace(/^cannot decode (?:field|message) \S+ from JSON: /, '');
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
