import { err, ok, type Result } from '@xebec/core';
import { plainProtoJson } from '../proto-json.ts';
import { toViolations } from '../violations.ts';
import { defaultMeshConfig, type MeshConfig, meshConfig } from './spec.ts';
import { withoutUnknownFields } from './unknown-fields.ts';

/**
 * Reads a MeshConfig and fills in Istio's defaults; `defaultConfig` and policies merge field by field, lists replace. Fields that
 * are not known are left out, as Istio does; `checkMeshConfig` names them.
 */
export function decodeMeshConfig(input: unknown): Result<MeshConfig> {
  const { value } = withoutUnknownFields(meshConfig, plainProtoJson(meshConfig, input ?? {}));
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
