import type { RawObject } from '@xebec/analysis';
import { readYamlObjects } from '@xebec/config';
import { errorText, type Violation } from '@xebec/core';
import { checkMeshConfig, checkMeshNetworks, type Findings } from '@xebec/schemas';
import { parse } from 'yaml';

/** Keys of ConfigMap `istio` with settings in YAML, and what checks them. */
const CHECKS = { mesh: checkMeshConfig, meshNetworks: checkMeshNetworks } as const;

/** Lines of the fields of settings that stand in a ConfigMap as a block of text, which begins below its key. */
export function settingLines({ content, source }: RawObject): Readonly<Record<string, number>> {
  const data = Object.fromEntries(Object.entries(content['data'] ?? {}));
  const found: Record<string, number> = {};
  for (const key of ['mesh', 'meshNetworks'] as const) {
    const text: unknown = data[key];
    const start = source?.fieldLines?.[`data.${key}`];
    if (typeof text !== 'string' || start === undefined || !text.includes('\n')) continue;
    const lines = readYamlObjects(text).objects[0]?.fieldLines ?? {};
    for (const [path, line] of Object.entries(lines)) found[`data.${key}.${path}`] = start + line;
  }
  return found;
}

/** What is wrong with the settings of the mesh in a ConfigMap; undefined where it holds none. */
export function checkSettings({ apiVersion, content, kind, metadata }: RawObject): Findings | undefined {
  if (apiVersion !== 'v1' || kind !== 'ConfigMap' || !/^istio(?:-[a-z0-9-]+)?$/.test(metadata.name)) return undefined;
  const data = Object.fromEntries(Object.entries(content['data'] ?? {}));
  const found = (['mesh', 'meshNetworks'] as const).flatMap((key) => {
    const text: unknown = data[key];
    return typeof text === 'string' ? [checkText(text, `data.${key}`, CHECKS[key])] : [];
  });
  if (found.length === 0) return undefined;
  return { errors: found.flatMap(({ errors }) => errors), warnings: found.flatMap(({ warnings }) => warnings) };
}

function checkText(text: string, path: string, check: (value: unknown) => Findings): Findings {
  try {
    const inner = (violation: Violation): Violation => ({ ...violation, path: `${path}.${violation.path}` });
    const { errors, warnings } = check(parse(text, { maxAliasCount: 100 }));
    return { errors: errors.map(inner), warnings: warnings.map(inner) };
  } catch (error) {
    return { errors: [{ path, message: errorText(error) }], warnings: [] };
  }
}
