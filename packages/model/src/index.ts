export { allocatedAddresses, hostsToAllocate } from './allocated-addresses.ts';
export { ConfigIndex, type ConfigLookup, type KnownKind, type KnownKinds } from './config-index.ts';
export {
  type DestinationRuleViewer,
  destinationRuleOf,
  type ResolvedDestinationRule,
  tlsModeOf,
  trafficPolicyOf,
} from './destination-rule.ts';
export {
  dnsName,
  type GatewayListener,
  type GatewayServerOf,
  gatewayKey,
  type MergedGateways,
  mergeGateways,
  type RejectedServer,
  serverAdmits,
} from './gateway.ts';
export { compareHosts, hostCovers, hostsOverlap, intersectHosts, resolveHost } from './host.ts';
export { serviceIdentities, spiffeId } from './identity.ts';
export { isNarrow, type Labels, selects } from './labels.ts';
export { NETWORK_LABEL, type NetworkGateway } from './networks.ts';
export { type InboundMutualTls, type PeerAuthentication, peerAuthenticationOf } from './peer-authentication.ts';
export { placedProxy } from './placed-proxy.ts';
export { byAge } from './precedence.ts';
export { isHttp, isHttp2, isTcp, isTls, type PortNaming, parseProtocol, protocolOfPort } from './protocol.ts';
export type { MeshProxy, MeshProxy as Proxy } from './proxy.ts';
export { proxyFromNode, type XdsNode } from './proxy-from-node.ts';
export {
  type Endpoint,
  type EndpointHealth,
  type Locality,
  type Protocol,
  type Resolution,
  type Service,
  type ServicePort,
  serviceKey,
} from './service.ts';
export { type ServiceWithEndpoints, servicesFromEntry } from './service-entry.ts';
export type { DeclaredIngress, IngressEndpoint, ServiceInstance } from './service-instance.ts';
export { inboundInstances, serviceInstances } from './service-instances.ts';
export { destinationHosts, type EgressScope, type SidecarScope, sidecarOf, sidecarScope } from './sidecar-scope.ts';
export { createSnapshot, type EndpointOfService, type JwksFetch, type MeshSnapshot, type SnapshotInput } from './snapshot.ts';
export { telemetriesOf } from './telemetry.ts';
export { createSnapshotTracker, type SnapshotTracker } from './tracked-snapshot.ts';
export {
  MESH_GATEWAY,
  qualifyGateway,
  type VirtualService,
  type VirtualServiceLookup,
  virtualServiceGateways,
  virtualServiceHosts,
  virtualServiceLookup,
  virtualServicesFor,
} from './virtual-service.ts';
export { isVisible } from './visibility.ts';
export { parseLocality, type Workload } from './workload.ts';
export {
  type AuthorizationAction,
  authorizationPoliciesOf,
  type PolicyTarget,
  policyApplies,
  requestAuthenticationsOf,
} from './workload-policies.ts';
