import { adapters } from '@xebec/adapters';
import type { RawObject } from '@xebec/analysis';
import { nearest, type Violation } from '@xebec/core';
import { checkPolicyObject, isPolicyObject, type PolicyContext, policyContext } from '@xebec/policy';
import { type ConfigObject, checkGatewayApi, checkObject, decodeObject, isMeshGroup, kinds } from '@xebec/schemas';
import { checkSettings } from './mesh-settings.ts';

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

/** What Mixer's objects among these say to each other. */
export function policyContextOf(objects: readonly RawObject[]): PolicyContext {
  const decoded = objects.filter(isPolicyObject).flatMap(({ content, metadata }): ConfigObject[] => {
    const result = decodeObject(content, { defaultNamespace: metadata.namespace });
    return result.ok ? [result.value] : [];
  });
  return policyContext(decoded, adapters);
}

/** `context`: of all objects that are checked together. */
export function verdictOf(object: RawObject, context: PolicyContext = policyContextOf([object])): Verdict {
  const { apiVersion, content, kind, metadata } = object;
  const { name, namespace } = metadata;
  const findings = findingsOf(object, context);
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
function findingsOf(object: RawObject, context: PolicyContext): Pick<Verdict, 'errors' | 'warnings'> | undefined {
  const { apiVersion, content, kind, metadata } = object;
  if (isMeshGroup(apiVersion)) {
    const decoded = decodeObject(content, { defaultNamespace: metadata.namespace });
    if (!decoded.ok) return { errors: decoded.error, warnings: [] };
    const found = checkObject(decoded.value);
    if (!isPolicyObject(decoded.value) || found.errors.length > 0) return found;
    const { errors, warnings } = checkPolicyObject(decoded.value, context);
    return { errors, warnings: [...found.warnings, ...warnings] };
  }
  return checkGatewayApi(apiVersion, kind, content) ?? checkSettings(object);
}

/** A group that looks like one of the mesh's but is none. */
function unknownGroup(apiVersion: string): Violation | undefined {
  const group = apiVersion.split('/')[0] ?? '';
  const groups = [...new Set(kinds.map((definition) => definition.group))];
  const suggestion = nearest(group, groups);
  if (suggestion === undefined || !group.includes('.istio.')) return undefined;
  return { path: 'apiVersion', message: `unknown group "${group}"; did you mean "${suggestion}"?`, suggestion };
}
