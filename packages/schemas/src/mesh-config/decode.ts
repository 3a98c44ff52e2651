import { err, ok, type Result } from '@xebec/core';
import { isMessage, plainProtoJson } from '../proto-json.ts';
import { child, isRecord, toViolations, unwrap } from '../violations.ts';
import { defaultMeshConfig, type MeshConfig, meshConfig } from './spec.ts';
import { type WithoutUnknown, withoutUnknownFields } from './unknown-fields.ts';

/**
 * Reads a MeshConfig and fills in Istio's defaults; `defaultConfig` and policies merge field by field, lists replace. Fields that
 * are not known are left out, as Istio does; `checkMeshConfig` names them.
 */
export function decodeMeshConfig(input: unknown): Result<MeshConfig> {
  const { value } = readableMeshConfig(input);
  const parsed = meshConfig.safeParse(value, { reportInput: true });
  if (!parsed.success) return err(toViolations(parsed.error, [], meshConfig));
  const given = parsed.data;
  const providers = given.extensionProviders ?? [];
  const named = new Set(providers.map((provider) => provider.name));
  return ok({
    ...defaultMeshConfig,
    ...given,
    defaultConfig: { ...defaultMeshConfig.defaultConfig, ...given.defaultConfig },
    extensionProviders: [...providers, ...defaultMeshConfig.extensionProviders.filter((provider) => !named.has(provider.name))],
  });
}

/** A MeshConfig as it was written, read as Istio does: without fields that are not known, and with nulls in lists for what is empty. */
export function readableMeshConfig(input: unknown): WithoutUnknown {
  return withoutUnknownFields(meshConfig, fillNullItems(meshConfig, plainProtoJson(meshConfig, input ?? {})));
}

function fillNullItems(schema: unknown, value: unknown): unknown {
  const inner = unwrap(schema);
  if (Array.isArray(value)) {
    const element = child(inner, 0);
    return value.map((item) => fillNullItems(element, item ?? (isMessage(element) ? {} : '')));
  }
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, fillNullItems(child(inner, name), field)]));
}
