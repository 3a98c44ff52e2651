export { decodeAny, isRecord, PLATFORM_KINDS } from './decode.ts';
export { createDirectorySource, type DirectoryOptions } from './directory.ts';
export { createGitSource, type GitSource, type GitSourceOptions } from './git-source.ts';
export { ApiError, createKubernetesApi, type KubernetesApi, loadKubeConfig } from './kubernetes-api.ts';
export { createKubernetesSource, type KubernetesSourceOptions, meshKinds, platformKinds, type WatchedKind } from './kubernetes-source.ts';
export { contendForLease, LEASE_SECONDS, type Lease, type LeaseOptions, leasesPath } from './lease.ts';
export { createMcpListeningSource, createMcpSource, type McpSourceOptions } from './mcp-source.ts';
export { createMemorySource, type MemorySource } from './memory.ts';
export { type MergedSource, mergeSources, type SourceConflict } from './merged.ts';
export { ObjectStore } from './object-store.ts';
export { type ReflectorHandler, type ReflectorOptions, startReflector } from './reflector.ts';
export {
  type ConfigChange,
  type ConfigListener,
  type ConfigProblem,
  type ConfigSource,
  type ObjectKey,
  objectKey,
  problemText,
} from './source.ts';
export { configSourceAddresses, createSourceAt, type SourceAddressOptions } from './source-address.ts';
export { createXdsSource, type XdsSourceOptions } from './xds-source.ts';
export { lineOfField, readYamlObjects, type YamlObject, type YamlProblem } from './yaml-documents.ts';
