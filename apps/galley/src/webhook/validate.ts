import { decodeObject, isMeshGroup } from '@xebec/schemas';
import type { AdmissionAnswer, AdmissionRequest } from './admission.ts';

/** Admits an object whose every field is known and well-formed; otherwise says all that is wrong, field by field. */
export function validateObject(request: AdmissionRequest): AdmissionAnswer {
  if (request.operation === 'DELETE' || request.object === undefined || request.object === null) return { allowed: true };
  const { group, version } = request.resource;
  if (!isMeshGroup(`${group}/${version}`)) return { allowed: true };
  const decoded = decodeObject(request.object, { defaultNamespace: request.namespace ?? 'default' });
  if (decoded.ok) return { allowed: true };
  const lines = decoded.error.map(({ path, message }) => `${path}: ${message}`);
  return { allowed: false, message: `configuration is invalid: ${lines.join('; ')}` };
}
