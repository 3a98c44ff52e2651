export type { IngressStatus } from './kubernetes/ingress.ts';
export { plannedChanges } from './kubernetes/planned.ts';
export {
  KubernetesRegistry,
  REGISTRY_KINDS,
  type RegistryChange,
  type RegistryDelta,
  type RegistryView,
} from './kubernetes/registry.ts';
