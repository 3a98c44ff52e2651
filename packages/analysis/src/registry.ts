import type { Analyzer } from './analyzer.ts';
import { alphaAnnotations, annotations } from './analyzers/annotations/annotations.ts';
import { deploymentServices } from './analyzers/deployment/services.ts';
import { applicationUser } from './analyzers/deployment/user.ts';
import { caCertificates } from './analyzers/destination-rule/ca-certificates.ts';
import { subsetPods } from './analyzers/destination-rule/subset-pods.ts';
import { envoyPatch } from './analyzers/envoy-filter/patches.ts';
import { gatewayCertificates } from './analyzers/gateway/certificates.ts';
import { conflictingGateways } from './analyzers/gateway/conflicts.ts';
import { gatewayCrdVersion, kubernetesGatewaySelector } from './analyzers/gateway/kubernetes-gateway.ts';
import { gatewayPorts } from './analyzers/gateway/ports.ts';
import { gatewaySecrets } from './analyzers/gateway/secrets.ts';
import { imageAuto } from './analyzers/injection/image-auto.ts';
import { proxyImages } from './analyzers/injection/images.ts';
import { injection } from './analyzers/injection/namespaces.ts';
import { conditions } from './analyzers/kubernetes/conditions.ts';
import { deprecation } from './analyzers/kubernetes/deprecation.ts';
import { meshNetworks } from './analyzers/kubernetes/mesh-networks.ts';
import { externalControlPlane, injectionWebhooks } from './analyzers/kubernetes/webhooks.ts';
import { endingCertificates } from './analyzers/own/certificates.ts';
import { mixerObjects } from './analyzers/own/mixer-objects.ts';
import { policyTargets } from './analyzers/own/policy-targets.ts';
import { proxyGrowth } from './analyzers/own/proxy-growth.ts';
import { shadowedMatches } from './analyzers/own/shadowed-matches.ts';
import { subsetEndpoints } from './analyzers/own/subset-endpoints.ts';
import { unresolvedHosts } from './analyzers/own/unresolved-hosts.ts';
import { schemaValidation } from './analyzers/schema/validation.ts';
import { authorizationPolicies } from './analyzers/security/authorization.ts';
import { keySetFetch } from './analyzers/security/key-set-fetch.ts';
import { clusterServices } from './analyzers/service/clusters.ts';
import { portName } from './analyzers/service/port-name.ts';
import { serviceEntryAddresses } from './analyzers/service-entry/addresses.ts';
import { conflictingProtocol } from './analyzers/service-entry/conflicting-protocol.ts';
import { sidecarSelector } from './analyzers/sidecar/selector.ts';
import { lightstepProvider, telemetryProvider } from './analyzers/telemetry/providers.ts';
import { telemetryDefaults, telemetrySelector } from './analyzers/telemetry/selector.ts';
import { destinationHost } from './analyzers/virtual-service/destination-host.ts';
import { destinationSubset } from './analyzers/virtual-service/destination-subset.ts';
import { virtualServiceGateways } from './analyzers/virtual-service/gateways.ts';
import { jwtClaimRoute } from './analyzers/virtual-service/jwt-claim-route.ts';
import { meshHosts } from './analyzers/virtual-service/mesh-hosts.ts';
import { unreachableRules } from './analyzers/virtual-service/unreachable.ts';

/** All analyzers: istioctl's, then ours. A new one is a file of its own and a line here. */
export const analyzers: readonly Analyzer[] = [
  annotations,
  alphaAnnotations,
  keySetFetch,
  authorizationPolicies,
  conditions,
  deploymentServices,
  applicationUser,
  caCertificates,
  subsetPods,
  deprecation,
  envoyPatch,
  externalControlPlane,
  gatewayPorts,
  gatewayCertificates,
  gatewaySecrets,
  conflictingGateways,
  injection,
  proxyImages,
  imageAuto,
  kubernetesGatewaySelector,
  gatewayCrdVersion,
  meshNetworks,
  clusterServices,
  portName,
  sidecarSelector,
  meshHosts,
  destinationHost,
  destinationSubset,
  virtualServiceGateways,
  jwtClaimRoute,
  unreachableRules,
  ...schemaValidation,
  serviceEntryAddresses,
  conflictingProtocol,
  injectionWebhooks,
  telemetryProvider,
  telemetrySelector,
  telemetryDefaults,
  lightstepProvider,
  subsetEndpoints,
  shadowedMatches,
  unresolvedHosts,
  policyTargets,
  endingCertificates,
  mixerObjects,
  proxyGrowth,
];
