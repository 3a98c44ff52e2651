import type { Violation } from '@xebec/core';
import { checkObject, decodeObject, isMeshGroup } from '@xebec/schemas';
import type { AdmissionAnswer, AdmissionRequest } from './admission.ts';

/** Admits an object whose every field is known, well-formed and of use; otherwise says all that is wrong, field by field. */
export function validateObject(request: AdmissionRequest): AdmissionAnswer {
  if (request.operation === 'DELETE' || request.object === undefined || request.object === null) return { allowed: true };
  const { group, version } = request.resource;
  if (!isMeshGroup(`${group}/${version}`)) return { allowed: true };
  const decoded = decodeObject(request.object, { defaultNamespace: request.namespace ?? 'default' });
  const { errors, warnings } = decoded.ok ? checkObject(decoded.value) : { errors: decoded.error, warnings: [] };
  if (errors.length === 0) return { allowed: true, ...(warnings.length === 0 ? {} : { warnings: warnings.map(lineOf) }) };
  const lines = errors.map(lineOf);
  return { allowed: false, message: `configuration is invalid: ${lines.join('; ')}` };
}

const lineOf = ({ path, message }: Violation): string => `${path}: ${message}`;
