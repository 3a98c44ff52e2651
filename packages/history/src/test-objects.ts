import type { ConfigObject } from '@xebec/schemas';
import { contentOf, type StoredObject } from './content.ts';

/** Objects for specs, as an API server would store them. */
export function configObject(kind: string, name: string, spec: unknown, resourceVersion = '1'): ConfigObject {
  return {
    apiVersion: 'networking.istio.io/v1',
    kind,
    metadata: { name, namespace: 'shop', labels: {}, annotations: {}, creationTimestamp: '', resourceVersion, uid: name, generation: 1 },
    spec,
  };
}

export const destinationRule = (...subsets: readonly string[]): ConfigObject =>
  configObject('DestinationRule', 'reviews', { host: 'reviews', subsets: subsets.map((name) => ({ name, labels: { version: name } })) });

export const virtualService = (subset: string, name = 'reviews'): ConfigObject =>
  configObject('VirtualService', name, { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews', subset } }] }] });

export const stored = (object: ConfigObject): StoredObject => contentOf(object);
