import { z } from 'zod';
import { stringMap } from '../fields.ts';
import type { FindingList } from '../findings.ts';
import { dnsLabel } from '../values/names.ts';

/** A service by its short name and namespace, or in full (`istio.mixer.v1.config.client.IstioService`). */
export const serviceReference = z.strictObject({
  name: z.string().optional().describe('Short name of the service.'),
  namespace: z.string().optional().describe("Namespace of the service; default: the binding's."),
  domain: z.string().optional().describe('Domain of the service; default: svc.cluster.local.'),
  /** Fully qualified host; `*` is every service. */
  service: z.string().optional().describe('Fully qualified host, in place of name, namespace and domain; * is every service.'),
  labels: stringMap.optional().describe("Labels of the service's workloads."),
});

/** A spec by name; its namespace is the binding's unless it says another. */
export const specReference = z.strictObject({
  name: z.string().optional().describe('Name of the object.'),
  namespace: z.string().optional().describe("Namespace of the object; default: the binding's."),
});

export type ServiceReference = z.infer<typeof serviceReference>;
export type SpecReference = z.infer<typeof specReference>;

/** What bindings of both kinds must have. `specs`: the field that names them. */
export function checkBinding(
  services: readonly ServiceReference[] | undefined,
  references: readonly SpecReference[] | undefined,
  specs: string,
  findings: FindingList,
): void {
  if ((services ?? []).length === 0) findings.error(['spec', 'services'], 'at least one service must be specified');
  for (const [index, { name = '', namespace = '', domain = '', service = '' }] of (services ?? []).entries()) {
    const path = ['spec', 'services', index];
    if (name === '' && service === '') findings.error(path, 'name or service must be set');
    if (service !== '' && (name !== '' || namespace !== '' || domain !== ''))
      findings.error(path, 'service stands for the whole host: name, namespace and domain cannot be set beside it');
    if (namespace !== '') findings.refuse([...path, 'namespace'], dnsLabel(namespace));
  }
  if ((references ?? []).length === 0) findings.error(['spec', specs], 'at least one spec must be specified');
  for (const [index, { name = '', namespace = '' }] of (references ?? []).entries()) {
    if (name === '') findings.error(['spec', specs, index, 'name'], 'must not be empty');
    if (namespace !== '') findings.refuse(['spec', specs, index, 'namespace'], dnsLabel(namespace));
  }
}
