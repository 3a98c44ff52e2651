/** How bad a message is. */
export type Level = 'Error' | 'Warning' | 'Info';

export interface MessageType {
  readonly name: string;
  readonly level: Level;
  /** Text with the verbs of Go's fmt: `%s`, `%v`, `%d`, `%q`. */
  readonly template: string;
  /** When it is given. */
  readonly when: string;
  /** Who gives it, where that is not `analyze` as it runs by default. */
  readonly by?: 'never' | 'on request' | 'precheck';
}

/** Codes, names, levels and texts as istioctl has them, for users search for them; `XB` codes are the mesh's own. */
export const messageTypes = {
  IST0001: {
    name: 'InternalError',
    level: 'Error',
    template: 'Internal error: %v',
    when: 'the analyzer itself failed; report it',
    by: 'never',
  },
  IST0002: {
    name: 'Deprecated',
    level: 'Warning',
    template: 'Deprecated: %s',
    when: 'a field, kind or provider that Istio has deprecated is used',
  },
  IST0101: {
    name: 'ReferencedResourceNotFound',
    level: 'Error',
    template: 'Referenced %s not found: %q',
    when: 'a host, subset, gateway, port, selector, namespace or credential that is referred to does not exist',
  },
  IST0102: {
    name: 'NamespaceNotInjected',
    level: 'Info',
    template:
      "The namespace is not enabled for Istio injection. Run 'kubectl label namespace %s istio-injection=enabled' to enable it, or 'kubectl label namespace %s istio-injection=disabled' to explicitly mark it as not needing injection.",
    when: 'a namespace says neither yes nor no to sidecar injection',
  },
  IST0103: {
    name: 'PodMissingProxy',
    level: 'Warning',
    template: 'The pod %s is missing the Istio proxy. This can often be resolved by restarting or redeploying the workload.',
    when: 'a pod of a namespace with injection runs without proxy',
  },
  IST0106: { name: 'SchemaValidationError', level: 'Error', template: 'Schema validation error: %v', when: 'an object is not valid' },
  IST0107: {
    name: 'MisplacedAnnotation',
    level: 'Warning',
    template: 'Misplaced annotation: %s can only be applied to %s',
    when: 'an annotation stands on a kind that does not read it',
  },
  IST0108: {
    name: 'UnknownAnnotation',
    level: 'Warning',
    template: 'Unknown annotation: %s',
    when: 'an annotation of istio.io that nobody reads',
  },
  IST0109: {
    name: 'ConflictingMeshGatewayVirtualServiceHosts',
    level: 'Error',
    template:
      'The VirtualServices %s associated with mesh gateway define the same host %s which can lead to undefined behavior. This can be fixed by merging the conflicting VirtualServices into a single resource.',
    when: 'several VirtualServices define one host for the mesh',
  },
  IST0110: {
    name: 'ConflictingSidecarWorkloadSelectors',
    level: 'Error',
    template: 'The Sidecars %v in namespace %q select the same workload pod %q, which can lead to undefined behavior.',
    when: 'several Sidecars select the same pod',
  },
  IST0111: {
    name: 'MultipleSidecarsWithoutWorkloadSelectors',
    level: 'Error',
    template: 'The Sidecars %v in namespace %q have no workload selector, which can lead to undefined behavior.',
    when: 'several Sidecars of a namespace have no selector',
  },
  IST0112: {
    name: 'VirtualServiceDestinationPortSelectorRequired',
    level: 'Error',
    template:
      'This VirtualService routes to a service %q that exposes multiple ports %v. Specifying a port in the destination is required to disambiguate.',
    when: 'a route to a service with several ports names none',
  },
  IST0116: {
    name: 'DeploymentAssociatedToMultipleServices',
    level: 'Warning',
    template: 'This deployment %s is associated with multiple services using port %d but different protocols: %v',
    when: 'services of one deployment give a port different transport protocols',
  },
  IST0118: {
    name: 'PortNameIsNotUnderNamingConvention',
    level: 'Info',
    template: "Port name %s (port: %d, targetPort: %s) doesn't follow the naming convention of Istio port.",
    when: 'the name of a service port does not say its protocol',
  },
  IST0123: {
    name: 'NamespaceMultipleInjectionLabels',
    level: 'Warning',
    template:
      'The namespace has more than one type of injection labels %v, which may lead to undefined behavior. Make sure only one injection label exists.',
    when: 'a namespace has several labels about injection',
  },
  IST0125: {
    name: 'InvalidAnnotation',
    level: 'Warning',
    template: 'Invalid annotation %s: %s',
    when: 'the value of an annotation is not valid',
  },
  IST0126: {
    name: 'UnknownMeshNetworksServiceRegistry',
    level: 'Error',
    template: 'Unknown service registry %s in network %s',
    when: 'mesh networks name a registry that does not exist',
  },
  IST0127: {
    name: 'NoMatchingWorkloadsFound',
    level: 'Warning',
    template: 'No matching workloads for this resource with the following labels: %s',
    when: 'an AuthorizationPolicy selects no workload of the mesh',
  },
  IST0128: {
    name: 'NoServerCertificateVerificationDestinationLevel',
    level: 'Warning',
    template:
      'DestinationRule %s in namespace %s has TLS mode set to %s but no caCertificates are set to validate server identity for host: %s',
    when: 'a DestinationRule originates TLS without verifying the server',
  },
  IST0129: {
    name: 'NoServerCertificateVerificationPortLevel',
    level: 'Warning',
    template:
      'DestinationRule %s in namespace %s has TLS mode set to %s but no caCertificates are set to validate server identity for host: %s at port %s',
    when: 'a DestinationRule originates TLS to a port without verifying the server',
  },
  IST0130: {
    name: 'VirtualServiceUnreachableRule',
    level: 'Warning',
    template: 'VirtualService rule %v not used (%s).',
    when: 'a rule of a VirtualService can never be reached',
  },
  IST0131: {
    name: 'VirtualServiceIneffectiveMatch',
    level: 'Info',
    template: 'VirtualService rule %v match %v is not used (duplicate/overlapping match in rule %v).',
    when: 'a match of a VirtualService repeats, or is covered by, an earlier one',
  },
  IST0132: {
    name: 'VirtualServiceHostNotFoundInGateway',
    level: 'Warning',
    template: 'one or more host %v defined in VirtualService %s not found in Gateway %s.',
    when: 'a VirtualService has no host that the gateway it names serves',
  },
  IST0133: {
    name: 'SchemaWarning',
    level: 'Warning',
    template: 'Schema validation warning: %v',
    when: 'an object is valid, and probably not what was meant',
  },
  IST0134: {
    name: 'ServiceEntryAddressesRequired',
    level: 'Warning',
    template: 'ServiceEntry addresses are required for this protocol.',
    when: 'a ServiceEntry with a TCP port has no address',
  },
  IST0135: {
    name: 'DeprecatedAnnotation',
    level: 'Info',
    template: 'Annotation %q has been deprecated%s and may not work in future Istio versions.',
    when: 'a deprecated annotation',
  },
  IST0136: {
    name: 'AlphaAnnotation',
    level: 'Info',
    template: 'Annotation %q is part of an alpha-phase feature and may be incompletely supported.',
    when: 'an annotation of alpha stability',
    by: 'on request',
  },
  IST0137: {
    name: 'DeploymentConflictingPorts',
    level: 'Warning',
    template: 'This deployment %s is associated with multiple services %v using targetPort %q but different ports: %v.',
    when: 'services of one deployment give a target port different ports',
  },
  IST0138: {
    name: 'GatewayDuplicateCertificate',
    level: 'Warning',
    template: 'Duplicate certificate in multiple gateways %v may cause 404s if clients re-use HTTP2 connections.',
    when: 'gateways of the same workload serve the same certificate, so that reused HTTP/2 connections get 404',
  },
  IST0139: {
    name: 'InvalidWebhook',
    level: 'Error',
    template: '%v',
    when: 'injection webhooks overlap, or call a service that does not exist',
  },
  IST0140: {
    name: 'IngressRouteRulesNotAffected',
    level: 'Warning',
    template: 'Subset in virtual service %s has no effect on ingress gateway %s requests',
    when: "a gateway's VirtualService routes to a host whose subset rules apply only inside the mesh",
  },
  IST0141: {
    name: 'InsufficientPermissions',
    level: 'Error',
    template: 'Missing required permission to create resource %v (%v)',
    when: 'an installation lacks permissions',
    by: 'precheck',
  },
  IST0142: {
    name: 'UnsupportedKubernetesVersion',
    level: 'Error',
    template: 'The Kubernetes Version %q is lower than the minimum version: %v',
    when: 'the version of Kubernetes is too old',
    by: 'precheck',
  },
  IST0143: {
    name: 'LocalhostListener',
    level: 'Error',
    template: 'Port %v is exposed in a Service but listens on localhost. It will not be exposed to other pods.',
    when: 'an application listens on localhost only',
    by: 'never',
  },
  IST0144: {
    name: 'InvalidApplicationUID',
    level: 'Warning',
    template: 'User ID (UID) 1337 is reserved for the sidecar proxy.',
    when: 'an application runs as the user of the proxy',
  },
  IST0145: {
    name: 'ConflictingGateways',
    level: 'Error',
    template: 'Conflict with gateways %s (workload selector %s, port %s, hosts %v).',
    when: 'gateways of the same workload serve the same port and hosts',
  },
  IST0146: {
    name: 'ImageAutoWithoutInjectionWarning',
    level: 'Warning',
    template: '%s %s contains `image: auto` but does not match any Istio injection webhook selectors.',
    when: 'a deployment waits for an image from injection that will not happen',
  },
  IST0147: {
    name: 'ImageAutoWithoutInjectionError',
    level: 'Error',
    template: '%s %s contains `image: auto` but does not match any Istio injection webhook selectors.',
    when: 'a pod runs with `image: auto`, so nothing injected it',
  },
  IST0148: {
    name: 'NamespaceInjectionEnabledByDefault',
    level: 'Info',
    template: 'is enabled for Istio injection, as Istio is installed with enableNamespacesByDefault as true.',
    when: 'a namespace without label is injected by default',
  },
  IST0149: {
    name: 'JwtClaimBasedRoutingWithoutRequestAuthN',
    level: 'Error',
    template:
      'The virtual service uses the JWT claim based routing (key: %s) but found no request authentication for the gateway (%s) pod (%s). The request authentication must first be applied for the gateway pods to validate the JWT token and make the claims available for routing.',
    when: 'routes by JWT claims at a gateway that verifies no JWT',
  },
  IST0150: {
    name: 'ExternalNameServiceTypeInvalidPortName',
    level: 'Warning',
    template:
      'Port name for ExternalName service is invalid. Proxy may prevent tcp named ports and unmatched traffic for ports serving TCP protocol from being forwarded correctly',
    when: 'an ExternalName service has a port named tcp or without protocol',
  },
  IST0151: {
    name: 'EnvoyFilterUsesRelativeOperation',
    level: 'Warning',
    template:
      'This EnvoyFilter does not have a priority and has a relative patch operation set which can cause the EnvoyFilter not to be applied. Using the INSERT_FIRST of ADD option or setting the priority may help in ensuring the EnvoyFilter is applied correctly.',
    when: 'a patch of an EnvoyFilter depends on order, and the filter has no priority',
  },
  IST0152: {
    name: 'EnvoyFilterUsesReplaceOperationIncorrectly',
    level: 'Error',
    template: 'The REPLACE operation is only valid for HTTP_FILTER and NETWORK_FILTER.',
    when: 'REPLACE on what cannot be replaced',
  },
  IST0153: {
    name: 'EnvoyFilterUsesAddOperationIncorrectly',
    level: 'Error',
    template: 'The ADD operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.',
    when: 'ADD where it has no effect',
  },
  IST0154: {
    name: 'EnvoyFilterUsesRemoveOperationIncorrectly',
    level: 'Error',
    template: 'The REMOVE operation will be ignored when applyTo is set to ROUTE_CONFIGURATION, or HTTP_ROUTE.',
    when: 'REMOVE where it has no effect',
  },
  IST0155: {
    name: 'EnvoyFilterUsesRelativeOperationWithProxyVersion',
    level: 'Warning',
    template:
      'This EnvoyFilter does not have a priority and has a relative patch operation (NSTERT_BEFORE/AFTER, REPLACE, MERGE, DELETE) and proxyVersion set which can cause the EnvoyFilter not to be applied during an upgrade. Using the INSERT_FIRST or ADD option or setting the priority may help in ensuring the EnvoyFilter is applied correctly.',
    when: 'as IST0151, for a filter that another patch of certain proxy versions concerns',
  },
  IST0156: {
    name: 'UnsupportedGatewayAPIVersion',
    level: 'Error',
    template: 'The Gateway API CRD version %v is lower than the minimum version: %v',
    when: 'the CRDs of the Gateway API are too old',
    by: 'precheck',
  },
  IST0157: {
    name: 'InvalidTelemetryProvider',
    level: 'Warning',
    template: 'The Telemetry %v in namespace %q with empty providers will be ignored.',
    when: 'access logging without provider',
  },
  IST0158: {
    name: 'PodsIstioProxyImageMismatchInNamespace',
    level: 'Warning',
    template:
      'The Istio proxy images of the pods running in the namespace do not match the image defined in the injection configuration (pod names: %v). This often happens after upgrading the Istio control-plane and can be fixed by redeploying the pods.',
    when: 'pods of a namespace run another proxy image than injection would give them',
  },
  IST0159: {
    name: 'ConflictingTelemetryWorkloadSelectors',
    level: 'Error',
    template: 'The Telemetries %v in namespace %q select the same workload pod %q, which can lead to undefined behavior.',
    when: 'several Telemetries select the same pod',
  },
  IST0160: {
    name: 'MultipleTelemetriesWithoutWorkloadSelectors',
    level: 'Error',
    template: 'The Telemetries %v in namespace %q have no workload selector, which can lead to undefined behavior.',
    when: 'several Telemetries of a namespace have no selector',
  },
  IST0161: {
    name: 'InvalidGatewayCredential',
    level: 'Error',
    template:
      'The credential referenced by the Gateway %s in namespace %s is invalid, which can cause the traffic not to work as expected.',
    when: "the Secret of a gateway's server holds no valid certificate",
  },
  IST0162: {
    name: 'GatewayPortNotDefinedOnService',
    level: 'Warning',
    template:
      'The gateway is listening on a target port (port %d) that is not defined in the Service associated with its workload instances (Pod selector %s). If you need to access the gateway port through the gateway Service, it will not be available.',
    when: "a gateway's port is not open on its service",
  },
  IST0163: {
    name: 'InvalidExternalControlPlaneConfig',
    level: 'Warning',
    template:
      'The hostname (%s) that was provided for the webhook (%s) to reach the ingress gateway on the external control plane cluster %s. Traffic may not flow properly.',
    when: 'a webhook of an external control plane has no valid address',
  },
  IST0164: {
    name: 'ExternalControlPlaneAddressIsNotAHostname',
    level: 'Info',
    template:
      'The address (%s) that was provided for the webhook (%s) to reach the ingress gateway on the external control plane cluster is an IP address. This is not recommended for a production environment.',
    when: 'a webhook of an external control plane has an IP address',
  },
  IST0165: {
    name: 'ReferencedInternalGateway',
    level: 'Warning',
    template: 'Gateway reference in VirtualService %s is to an implementation-generated internal Gateway: %s.',
    when: 'a VirtualService names a gateway that was generated',
  },
  IST0166: {
    name: 'IneffectiveSelector',
    level: 'Warning',
    template: 'Ineffective selector on Kubernetes Gateway %s. Use the TargetRef field instead.',
    when: 'a policy selects pods of a Gateway API gateway by label, where only targetRef works',
  },
  IST0167: {
    name: 'IneffectivePolicy',
    level: 'Warning',
    template: 'The policy has no impact: %s.',
    when: 'a Sidecar concerns workloads in ambient mode',
  },
  IST0168: {
    name: 'UnknownUpgradeCompatibility',
    level: 'Warning',
    template:
      'The configuration %q changed in release %s, but compatibility cannot be automatically detected: %s. Or, install with `--set compatibilityVersion=%s` to retain the old default.',
    when: 'a change between versions whose effect cannot be found out',
    by: 'precheck',
  },
  IST0169: {
    name: 'UpdateIncompatibility',
    level: 'Warning',
    template: 'The configuration %q changed in release %s: %s. Or, install with `--set compatibilityVersion=%s` to retain the old default.',
    when: 'a change between versions that concerns this configuration',
    by: 'precheck',
  },
  IST0170: {
    name: 'MultiClusterInconsistentService',
    level: 'Warning',
    template:
      'The service %v in namespace %q is inconsistent across clusters %q, which can lead to undefined behaviors. The inconsistent behaviors are: %v.',
    when: 'a service differs between clusters',
  },
  IST0171: {
    name: 'NegativeConditionStatus',
    level: 'Warning',
    template: 'A condition with a negative status is present: type=%s, reason=%s, message=%s.',
    when: 'the status of an object has a condition that says it does not work',
  },
  IST0172: {
    name: 'FutureUnsupportedGatewayAPIVersion',
    level: 'Warning',
    template: 'The Gateway API CRD version %v is lower than the minimum version: %v',
    when: 'the CRDs of the Gateway API will be too old',
    by: 'precheck',
  },
  IST0173: {
    name: 'DestinationRuleSubsetNotSelectPods',
    level: 'Error',
    template: 'The Subset %s defined in the DestinationRule does not select any pods. Which may lead to 503 UH (NoHealthyUpstream).',
    when: 'a subset selects no pod',
  },
  IST0174: {
    name: 'UnknownDestinationRuleHost',
    level: 'Warning',
    template: 'The host %s defined in the DestinationRule does not match any services in the mesh.',
    when: "a DestinationRule's host is no service of the mesh",
  },
  IST0175: {
    name: 'JwksUriFetchUnrestricted',
    level: 'Warning',
    template:
      'BLOCKED_CIDRS_IN_JWKS_URIS is not configured but %d RequestAuthentication resource(s) exist (%s). Consider configuring it to restrict JWKS URI fetches to trusted networks.',
    when: 'key sets are fetched while no address range is blocked',
  },
  IST0176: {
    name: 'GatewayAPICRDVersionBelowMinimum',
    level: 'Warning',
    template:
      'Gateway API CRD %q is at version %q but Istio requires at least %q; resources of this kind will not be processed. Upgrade the Gateway API CRDs to satisfy the minimum version.',
    when: 'a CRD of the Gateway API is older than this mesh reads',
  },
  IST0177: {
    name: 'ConflictingServiceEntryProtocol',
    level: 'Warning',
    template: 'Multiple ServiceEntries (%s) define the same host %q and port %d with conflicting protocols (%s).',
    when: 'ServiceEntries give one host and port different protocols',
  },
  XB0001: {
    name: 'SubsetWithoutEndpoints',
    level: 'Warning',
    template: 'The subset %s of host %q has no endpoint: nothing that the host selects has the labels %s.',
    when: 'a subset whose labels no endpoint of its host has, though another workload may',
  },
  XB0002: {
    name: 'MatchShadowed',
    level: 'Warning',
    template: 'The match %s of rule %s can never be used: match %s of rule %s before it takes every such request.',
    when: 'a match of a VirtualService that an earlier, wider one covers',
  },
  XB0003: {
    name: 'CatchAllBeforeOthers',
    level: 'Warning',
    template: 'The rule %s takes every request, so that the %d rules after it are never used; move it to the end.',
    when: 'a rule that takes everything stands before others',
  },
  XB0004: {
    name: 'UnresolvedVirtualServiceHost',
    level: 'Warning',
    template: 'The host %q of this VirtualService is no service of the mesh, so that its rules apply to no traffic.',
    when: 'a VirtualService of the mesh has a host that no Service or ServiceEntry defines',
  },
  XB0005: {
    name: 'PolicySelectsNothing',
    level: 'Warning',
    template: 'This %s selects no workload (%s), so that it has no effect.',
    when: 'a selector or target reference of a policy matches nothing',
  },
  XB0006: {
    name: 'CertificateEndsSoon',
    level: 'Warning',
    template: 'The certificate %q %s.',
    when: 'a certificate of a Secret has ended or ends within 30 days',
  },
  XB0007: {
    name: 'ProxyGrowth',
    level: 'Warning',
    template:
      'This %s adds about %d KiB to the configuration of each proxy that sees it, more than %d KiB; narrow its exportTo or split it.',
    when: 'one object makes each proxy grow by more than a set size',
  },
  XB0008: {
    name: 'MixerObjectDoesNotCompile',
    level: 'Error',
    template: 'Mixer leaves this %s out: %s.',
    when: "an expression, template, adapter or its params in one of Mixer's objects is wrong",
  },
  XB0009: {
    name: 'MixerReferenceMissing',
    level: 'Warning',
    template: 'Mixer cannot use all of this %s: %s.',
    when: "one of Mixer's objects names a handler, instance or attribute that is not there",
  },
} as const satisfies Record<string, MessageType>;

export type MessageCode = keyof typeof messageTypes;

export function messageType(code: MessageCode): MessageType {
  return messageTypes[code];
}
