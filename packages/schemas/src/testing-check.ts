import { parse } from 'yaml';
import { checkObject } from './check.ts';
import { decodeObject } from './decode.ts';

/** For specs: what admission says of a policy with a spec in YAML, each line a finding, warnings marked. */
export function findingsOf(kind: string, spec: string, annotations: Readonly<Record<string, string>> = {}): string[] {
  const decoded = decodeObject({
    apiVersion: 'security.istio.io/v1',
    kind,
    metadata: { name: 'a', namespace: 'b', annotations },
    spec: parse(spec),
  });
  if (!decoded.ok) return decoded.error.map(({ path, message }) => `not decoded: ${path}: ${message}`);
  const { errors, warnings } = checkObject(decoded.value);
  return [
    ...errors.map(({ path, message }) => `${path}: ${message}`),
    ...warnings.map(({ path, message }) => `warning ${path}: ${message}`),
  ];
}
