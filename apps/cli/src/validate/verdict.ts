import type { RawObject } from '@xebec/analysis';
import { nearest, type Violation } from '@xebec/core';
import { checkMeshConfig, checkObject, decodeObject, isMeshGroup, kinds } from '@xebec/schemas';
import { parse } from 'yaml';

/** What admission would say of one document. */
export interface Verdict {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string;
  readonly valid: boolean;
  readonly errors: readonly Violation[];
  readonly warnings: readonly Violation[];
  /** False for kinds that are not the mesh's. */
  readonly checked: boolean;
}

export function verdictOf(object: RawObject): Verdict {
  const { apiVersion, content, kind, metadata } = object;
  const { name, namespace } = metadata;
  const findings = findingsOf(object);
  const problem = findings === undefined ? unknownGroup(apiVersion) : undefined;
  const errors = problem === undefined ? (findings?.errors ?? []) : [problem];
  const generated = name === '' && typeof content['metadata'] === 'object' ? nameOf(content['metadata']) : name;
  return {
    kind,
    name: generated,
    namespace,
    valid: errors.length === 0,
    errors,
    warnings: findings?.warnings ?? [],
    checked: findings !== undefined || problem !== undefined,
  };
}

function nameOf(metadata: object | null): string {
  return metadata !== null && 'generateName' in metadata ? String(metadata.generateName) : '';
}

/** Undefined for kinds that are not the mesh's business. */
function findingsOf({ apiVersion, content, kind, metadata }: RawObject): Pick<Verdict, 'errors' | 'warnings'> | undefined {
  if (isMeshGroup(apiVersion)) {
    const decoded = decodeObject(content, { defaultNamespace: metadata.namespace });
    return decoded.ok ? checkObject(decoded.value) : { errors: decoded.error, warnings: [] };
  }
  if (apiVersion !== 'v1' || kind !== 'ConfigMap' || !/^istio(?:-[a-z0-9-]+)?$/.test(metadata.name)) return undefined;
  const data = content['data'];
  const mesh: unknown = typeof data === 'object' && data !== null && 'mesh' in data ? data.mesh : undefined;
  if (typeof mesh !== 'string') return undefined;
  try {
    const inner = (violation: Violation): Violation => ({ ...violation, path: `data.mesh.${violation.path}` });
    const { errors, warnings } = checkMeshConfig(parse(mesh, { maxAliasCount: 100 }));
    return { errors: errors.map(inner), warnings: warnings.map(inner) };
  } catch (error) {
    return { errors: [{ path: 'data.mesh', message: error instanceof Error ? error.message : String(error) }], warnings: [] };
  }
}

/** A group that looks like one of the mesh's but is none. */
function unknownGroup(apiVersion: string): Violation | undefined {
  const group = apiVersion.split('/')[0] ?? '';
  const groups = [...new Set(kinds.map((definition) => definition.group))];
  const suggestion = nearest(group, groups);
  if (suggestion === undefined || !group.includes('.istio.')) return undefined;
  return { path: 'apiVersion', message: `unknown group "${group}"; did you mean "${suggestion}"?`, suggestion };
}
