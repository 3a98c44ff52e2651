import { fromBinary, fromJson, type JsonValue } from '@bufbuild/protobuf';
import { errorText, XebecError } from '@xebec/core';
import { type Bootstrap, BootstrapSchema } from '@xebec/protos/envoy/config/bootstrap/v3/bootstrap';
import { resolveMessage } from './any-contents.ts';
import { findViolation } from './constraints.ts';
import { protoRegistry } from './proto-registry.ts';
import { checkBootstrap } from './semantics/bootstrap.ts';
import { unknownField } from './unknown-field.ts';
import { wrongValue } from './wrong-value.ts';
import { readJson, readYamlOrJson } from './yaml.ts';

/**
 * Reads a bootstrap, `override` (YAML or JSON text) merged over it: `.json` is JSON, `.pb` protobuf, everything else YAML (of which
 * JSON is a part). Refuses what Envoy refuses: unknown fields (with their path and the nearest right name), wrong types, broken
 * `validate.rules`. Throws XebecError `E_BOOTSTRAP` or `E_YAML`.
 */
export function parseBootstrap(text: string | Uint8Array, file: string, override?: string): Bootstrap {
  if (typeof text !== 'string' && file.endsWith('.pb')) {
    try {
      return checked(fromBinary(BootstrapSchema, text), file);
    } catch (cause) {
      throw new XebecError('E_BOOTSTRAP', `${file}: ${errorText(cause)}`, { cause });
    }
  }
  if (/\.(?:pb_text|prototext|textproto)$/.test(file)) {
    throw new XebecError('E_BOOTSTRAP', `${file}: protobuf text is not supported; write YAML, JSON or binary protobuf (.pb)`);
  }
  const source = typeof text === 'string' ? text : Buffer.from(text).toString();
  let json: JsonValue = source === '' ? {} : file.endsWith('.json') ? readJson(source, file) : readYamlOrJson(source, file);
  if (override !== undefined && override !== '') json = merge(json, readYamlOrJson(override, '--config-yaml'));
  const unknown = unknownField(json, BootstrapSchema, '');
  if (unknown !== undefined) throw new XebecError('E_BOOTSTRAP', `${file}: ${unknown}`);
  let bootstrap: Bootstrap;
  try {
    bootstrap = fromJson(BootstrapSchema, json, { registry: protoRegistry() });
  } catch (cause) {
    throw new XebecError('E_BOOTSTRAP', `${file}: ${wrongValue(json, BootstrapSchema, '') ?? errorText(cause)}`);
  }
  return checked(bootstrap, file);
}

function checked(bootstrap: Bootstrap, file: string): Bootstrap {
  const violation = findViolation(BootstrapSchema, bootstrap);
  if (violation !== undefined) {
    throw new XebecError(
      'E_BOOTSTRAP',
      `${file}: ${violation.path}: ${violation.reason} (Proto constraint validation failed: Bootstrap${violation.chain.slice('Bootstrap'.length)})`,
    );
  }
  try {
    resolveMessage(BootstrapSchema, bootstrap);
    checkBootstrap(bootstrap);
  } catch (cause) {
    throw new XebecError('E_BOOTSTRAP', `${file}: ${errorText(cause)}`, { cause });
  }
  return bootstrap;
}

/** Messages merge field by field, lists are joined, other values replaced, as protobuf's MergeFrom does. */
function merge(base: JsonValue, over: JsonValue): JsonValue {
  if (Array.isArray(base) && Array.isArray(over)) return [...base, ...over];
  if (isObject(base) && isObject(over)) {
    const result = { ...base };
    for (const [key, value] of Object.entries(over)) {
      const before = result[key];
      result[key] = before === undefined ? value : merge(before, value);
    }
    return result;
  }
  return over;
}

function isObject(value: JsonValue): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
