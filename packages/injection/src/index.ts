export { type BootstrapInput, type BootstrapNode, metadataFromEnvironment, nodeId } from './bootstrap/input.ts';
export { renderBootstrap } from './bootstrap/render.ts';
export type { StatsInclusion } from './bootstrap/stats-config.ts';
export { type CleanupPlan, cleanupPlan } from './iptables/cleanup.ts';
export { defaultIptablesOptions, type IptablesOptions, parseIptablesArguments } from './iptables/options.ts';
export { type CapturePlan, capturePlan, iptablesPlan } from './iptables/plan.ts';
export { type InterceptionMode, interceptionModeOf, iptablesArguments, iptablesOptionsOf } from './pod/annotation-values.ts';
export { type Decision, decideInjection } from './pod/decision.ts';
export { type InjectionResult, injectPod, withSidecar } from './pod/inject-pod.ts';
export type { JsonPatchOperation } from './pod/json-patch.ts';
export {
  INIT_CONTAINER,
  type InjectionMeshConfig,
  type InjectionParameters,
  PROXY_CONTAINER,
  PROXY_UID,
  STATUS_ANNOTATION,
} from './pod/parameters.ts';
export type { Container, EnvVar, Handler, Lifecycle, Pod, PodSpec, Probe, Volume, VolumeMount } from './pod/pod.ts';
export type { AppProbers } from './pod/probes.ts';
export { DEFAULT_PROXY_IMAGE } from './pod/proxy-container.ts';
