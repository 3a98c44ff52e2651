export type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
} from './authorization-policy/spec.ts';
export { checkObject } from './check.ts';
export { type CustomResourceDefinition, toCustomResourceDefinition } from './crd.ts';
export { decodeObject, isMeshGroup } from './decode.ts';
export type {
  ClientTls,
  ConnectionPool,
  DestinationRuleSpec,
  LoadBalancer,
  OutlierDetection,
  PortTrafficPolicy,
  Subset,
  TrafficPolicy,
} from './destination-rule/spec.ts';
export type { EnvoyFilterPatch, EnvoyFilterSpec } from './envoy-filter/spec.ts';
export { durationMs, type StringMatch } from './fields.ts';
export type { Findings, Warning } from './findings.ts';
export type { GatewayServer, GatewaySpec, ServerTls } from './gateway/spec.ts';
export { checkGatewayApi } from './gateway-api/check.ts';
export type { AttributeValues, HttpApiSpecSpec } from './http-api-spec/spec.ts';
export type { HttpApiSpecBindingSpec } from './http-api-spec-binding/spec.ts';
export { allJsonSchema, type JsonSchema, settingsJsonSchemas, toJsonSchema } from './json-schema.ts';
export type { KindDefinition, PrinterColumn } from './kind.ts';
export { findKind, kinds } from './kinds.ts';
export { checkMeshConfig } from './mesh-config/check.ts';
export { decodeMeshConfig } from './mesh-config/decode.ts';
export type { ExtensionProvider } from './mesh-config/extension-provider.ts';
export { checkMeshNetworks, decodeMeshNetworks, type MeshNetworks } from './mesh-config/mesh-networks.ts';
export type { ConnectionSettings, ProxyHeadersConfig } from './mesh-config/proxy-http.ts';
export { defaultMeshConfig, type MeshConfig, type MeshProxyConfig, meshProxyConfig } from './mesh-config/spec.ts';
export type { OlderHandlerSpec, OlderInstanceSpec } from './mixer/older-kinds.ts';
export type { ServiceReference } from './mixer/service-reference.ts';
export type {
  AdapterSpec,
  AttributeManifestSpec,
  ConnectionSpec,
  HandlerSpec,
  InstanceSpec,
  RuleSpec,
  TemplateSpec,
} from './mixer/spec.ts';
export type { AllocatedAddress, ConfigObject, FieldOrigin, ObjectMeta, SourceReference } from './object.ts';
export type { MutualTlsMode, PeerAuthenticationSpec } from './peer-authentication/spec.ts';
export type { ProxyConfigSpec } from './proxy-config/spec.ts';
export type { QuotaSpecSpec } from './quota-spec/spec.ts';
export type { QuotaSpecBindingSpec } from './quota-spec-binding/spec.ts';
export type { ClusterRbacConfigSpec, ServiceRoleBindingSpec, ServiceRoleSpec } from './rbac-v1alpha1/spec.ts';
export type { JwtRule, RequestAuthenticationSpec } from './request-authentication/spec.ts';
export type { ServiceEntrySpec } from './service-entry/spec.ts';
export type { SidecarSpec } from './sidecar/spec.ts';
export type { TelemetryAccessLogging, TelemetryMetrics, TelemetrySpec, TelemetryTracing } from './telemetry/spec.ts';
export type { TrafficExtensionSpec } from './traffic-extension/spec.ts';
export { formatPath, toViolations } from './violations.ts';
export type {
  Destination,
  HeaderOperations,
  HttpMatch,
  HttpRoute,
  HttpRouteDestination,
  RouteDestination,
  RouteHeaders,
  TcpRoute,
  TlsRoute,
  VirtualServiceSpec,
} from './virtual-service/spec.ts';
export type { WasmPluginSpec } from './wasm-plugin/spec.ts';
export type { WorkloadEntrySpec } from './workload-entry/spec.ts';
export type { WorkloadGroupSpec } from './workload-group/spec.ts';
