import { type InjectionMeshConfig, injectPod, type Pod } from '@xebec/injection';
import type { AdmissionAnswer, AdmissionRequest } from './admission.ts';

export interface InjectorOptions {
  /** Labels of a namespace, as they are now. */
  namespaceLabels(namespace: string): Promise<Readonly<Record<string, string>>>;
  meshConfig(): InjectionMeshConfig;
  readonly proxyImage: string;
}

function isPod(value: unknown): value is Pod {
  return typeof value === 'object' && value !== null;
}

/** Gives a pod its sidecar where the rules of injection say so. */
export async function injectSidecar(request: AdmissionRequest, options: InjectorOptions): Promise<AdmissionAnswer> {
  if (request.operation !== 'CREATE' || !isPod(request.object)) return { allowed: true };
  const namespace = request.namespace ?? 'default';
  const { patch, warnings } = injectPod(request.object, {
    namespace,
    namespaceLabels: await options.namespaceLabels(namespace),
    meshConfig: options.meshConfig(),
    proxyImage: options.proxyImage,
  });
  return { allowed: true, patch, warnings };
}
