import { adapters } from '@xebec/adapters';
import type { Violation } from '@xebec/core';
import { checkPolicyObject, isPolicyObject, policyContext } from '@xebec/policy';
import { type ConfigObject, checkObject, decodeObject, type Findings, isMeshGroup } from '@xebec/schemas';
import type { AdmissionAnswer, AdmissionRequest } from './admission.ts';

/**
 * Admits an object whose every field is known, well-formed and of use; otherwise says all that is wrong, field by field. Mixer's objects are
 * compiled against those that are `stored`: the attributes that manifests there define, the handlers and instances that rules name.
 */
export function validateObject(request: AdmissionRequest, stored: () => readonly ConfigObject[] = () => []): AdmissionAnswer {
  if (request.operation === 'DELETE' || request.object === undefined || request.object === null) return { allowed: true };
  const { group, version } = request.resource;
  if (!isMeshGroup(`${group}/${version}`)) return { allowed: true };
  const decoded = decodeObject(request.object, { defaultNamespace: request.namespace ?? 'default' });
  const { errors, warnings } = decoded.ok ? findingsOf(decoded.value, stored) : { errors: decoded.error, warnings: [] };
  if (errors.length === 0) return { allowed: true, ...(warnings.length === 0 ? {} : { warnings: warnings.map(lineOf) }) };
  const lines = errors.map(lineOf);
  return { allowed: false, message: `configuration is invalid: ${lines.join('; ')}` };
}

function findingsOf(object: ConfigObject, stored: () => readonly ConfigObject[]): Findings {
  const found = checkObject(object);
  if (!isPolicyObject(object) || found.errors.length > 0) return found;
  const { errors, warnings } = checkPolicyObject(object, policyContext(stored(), adapters));
  return { errors, warnings: [...found.warnings, ...warnings] };
}

const lineOf = ({ path, message }: Violation): string => `${path}: ${message}`;
