import type { Resource } from '../resource.ts';
import type { Workload } from '../workload-index.ts';

export const DATAPLANE_MODE = 'istio.io/dataplane-mode';
export const REVISION = 'istio.io/rev';
export const INJECTION = 'istio-injection';

export function inAmbientMode({ annotations }: Workload): boolean {
  return annotations['ambient.istio.io/redirection'] === 'enabled';
}

/** Labels that ask for sidecars go before the one that asks for ambient mode. */
export function namespaceInAmbientMode(namespace: Resource | undefined): boolean {
  if (namespace === undefined || namespace.labels[INJECTION] === 'enabled' || (namespace.labels[REVISION] ?? '') !== '') return false;
  return namespace.labels[DATAPLANE_MODE] === 'ambient';
}
