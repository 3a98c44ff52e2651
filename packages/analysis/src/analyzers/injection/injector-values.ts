import { type Fields, record, text } from '../../fields.ts';
import type { Resource } from '../../resource.ts';

/** The ConfigMap that tells the injector of a revision what to do. */
export function injectorConfigMap(revision: string | undefined): string {
  return revision === undefined || revision === '' || revision === 'default'
    ? 'istio-sidecar-injector'
    : `istio-sidecar-injector-${revision}`;
}

/** The values it holds; empty where they are no JSON. */
export function injectorValues(map: Resource | undefined): Fields {
  try {
    const values: unknown = JSON.parse(text(record(map?.content['data'])['values']) || '{}');
    return record(values);
  } catch {
    return {};
  }
}
