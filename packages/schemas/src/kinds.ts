import { checkAuthorizationPolicy } from './authorization-policy/check.ts';
import { authorizationPolicySpec } from './authorization-policy/spec.ts';
import { checkDestinationRule } from './destination-rule/check.ts';
import { destinationRuleSpec } from './destination-rule/spec.ts';
import { checkEnvoyFilter } from './envoy-filter/check.ts';
import { envoyFilterSpec } from './envoy-filter/spec.ts';
import { checkGateway } from './gateway/check.ts';
import { gatewaySpec } from './gateway/spec.ts';
import { checkHttpApiSpec } from './http-api-spec/check.ts';
import { httpApiSpecSpec } from './http-api-spec/spec.ts';
import { checkHttpApiSpecBinding } from './http-api-spec-binding/check.ts';
import { httpApiSpecBindingSpec } from './http-api-spec-binding/spec.ts';
import type { KindDefinition, PrinterColumn } from './kind.ts';
import { OLDER_HANDLER_KINDS, OLDER_INSTANCE_KINDS, olderHandlerSpec, olderInstanceSpec } from './mixer/older-kinds.ts';
import { adapterSpec, attributeManifestSpec, handlerSpec, instanceSpec, ruleSpec, templateSpec } from './mixer/spec.ts';
import { checkPeerAuthentication } from './peer-authentication/check.ts';
import { peerAuthenticationSpec } from './peer-authentication/spec.ts';
import { checkProxyConfig } from './proxy-config/check.ts';
import { proxyConfigSpec } from './proxy-config/spec.ts';
import { checkQuotaSpec } from './quota-spec/check.ts';
import { quotaSpecSpec } from './quota-spec/spec.ts';
import { checkQuotaSpecBinding } from './quota-spec-binding/check.ts';
import { quotaSpecBindingSpec } from './quota-spec-binding/spec.ts';
import { clusterRbacConfigSpec, serviceRoleBindingSpec, serviceRoleSpec } from './rbac-v1alpha1/spec.ts';
import { checkRequestAuthentication } from './request-authentication/check.ts';
import { requestAuthenticationSpec } from './request-authentication/spec.ts';
import { checkServiceEntry } from './service-entry/check.ts';
import { serviceEntrySpec } from './service-entry/spec.ts';
import { checkSidecar } from './sidecar/check.ts';
import { sidecarSpec } from './sidecar/spec.ts';
import { checkTelemetry } from './telemetry/check.ts';
import { telemetrySpec } from './telemetry/spec.ts';
import { checkTrafficExtension } from './traffic-extension/check.ts';
import { trafficExtensionSpec } from './traffic-extension/spec.ts';
import { checkVirtualService } from './virtual-service/check.ts';
import { virtualServiceSpec } from './virtual-service/spec.ts';
import { checkWasmPlugin } from './wasm-plugin/check.ts';
import { wasmPluginSpec } from './wasm-plugin/spec.ts';
import { checkWorkloadEntry } from './workload-entry/check.ts';
import { workloadEntrySpec } from './workload-entry/spec.ts';
import { checkWorkloadGroup } from './workload-group/check.ts';
import { workloadGroupSpec } from './workload-group/spec.ts';

const age: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const column = (name: string, jsonPath: string, description: string): PrinterColumn => ({ name, type: 'string', jsonPath, description });

function networking(
  kind: string,
  plural: string,
  shortNames: readonly string[],
  spec: KindDefinition['spec'],
  columns: readonly PrinterColumn[] = [],
): KindDefinition {
  return {
    kind,
    group: 'networking.istio.io',
    versions: ['v1', 'v1beta1', 'v1alpha3'],
    plural,
    shortNames,
    spec,
    printerColumns: [...columns, age],
    collection: `istio/networking/v1alpha3/${plural}`,
  };
}

function security(
  kind: string,
  plural: string,
  shortNames: readonly string[],
  spec: KindDefinition['spec'],
  columns: readonly PrinterColumn[] = [],
): KindDefinition {
  return {
    kind,
    group: 'security.istio.io',
    versions: ['v1', 'v1beta1'],
    plural,
    shortNames,
    spec,
    printerColumns: [...columns, age],
    collection: `istio/security/v1beta1/${plural}`,
  };
}

function mixer(kind: string, plural: string, spec: KindDefinition['spec']): KindDefinition {
  return {
    kind,
    group: 'config.istio.io',
    versions: ['v1alpha2'],
    plural,
    shortNames: [],
    spec,
    printerColumns: [age],
    collection: `istio/policy/v1beta1/${plural}`,
  };
}

function olderMixer(kinds: Readonly<Record<string, string>>, readAs: 'handler' | 'instance'): readonly KindDefinition[] {
  const spec = readAs === 'handler' ? olderHandlerSpec : olderInstanceSpec;
  return Object.entries(kinds).map(([kind, plural]) => ({
    ...mixer(kind, plural, spec.describe(`What are the params of a ${readAs} of ${kind} since release 1.4.`)),
    collection: `istio/config/v1alpha2/legacy/${plural}`,
    readAs,
  }));
}

function rbac(kind: string, plural: string, spec: KindDefinition['spec']): KindDefinition {
  return {
    kind,
    group: 'rbac.istio.io',
    versions: ['v1alpha1'],
    plural,
    shortNames: [],
    spec,
    printerColumns: [age],
    collection: `istio/rbac/v1alpha1/${plural}`,
  };
}

/** Every kind the mesh knows, in the order reference pages list them. */
export const kinds: readonly KindDefinition[] = [
  {
    ...networking('VirtualService', 'virtualservices', ['vs'], virtualServiceSpec, [
      column('Gateways', '.spec.gateways', 'The gateways and sidecars that apply these routes'),
      column('Hosts', '.spec.hosts', 'The hosts traffic is sent to'),
    ]),
    check: checkVirtualService,
  },
  {
    ...networking('DestinationRule', 'destinationrules', ['dr'], destinationRuleSpec, [
      column('Host', '.spec.host', 'The service of the registry'),
    ]),
    check: checkDestinationRule,
  },
  { ...networking('Gateway', 'gateways', ['gw'], gatewaySpec), check: checkGateway },
  {
    ...networking('ServiceEntry', 'serviceentries', ['se'], serviceEntrySpec, [
      column('Hosts', '.spec.hosts', 'The hosts of the entry'),
      column('Location', '.spec.location', 'Inside or outside the mesh'),
      column('Resolution', '.spec.resolution', 'How endpoints are found'),
    ]),
    check: checkServiceEntry,
  },
  {
    ...networking('WorkloadEntry', 'workloadentries', ['we'], workloadEntrySpec, [
      column('Address', '.spec.address', 'Address of the workload'),
    ]),
    check: checkWorkloadEntry,
  },
  { ...networking('WorkloadGroup', 'workloadgroups', ['wg'], workloadGroupSpec), check: checkWorkloadGroup },
  { ...networking('Sidecar', 'sidecars', [], sidecarSpec), check: checkSidecar },
  { ...networking('EnvoyFilter', 'envoyfilters', [], envoyFilterSpec), versions: ['v1alpha3'], check: checkEnvoyFilter },
  {
    ...networking('ProxyConfig', 'proxyconfigs', [], proxyConfigSpec),
    versions: ['v1beta1'],
    check: checkProxyConfig,
    collection: 'istio/networking/v1beta1/proxyconfigs',
  },
  {
    ...security('PeerAuthentication', 'peerauthentications', ['pa'], peerAuthenticationSpec, [
      column('Mode', '.spec.mtls.mode', 'mTLS mode'),
    ]),
    check: checkPeerAuthentication,
  },
  {
    ...security('RequestAuthentication', 'requestauthentications', ['ra'], requestAuthenticationSpec),
    check: checkRequestAuthentication,
  },
  {
    ...security('AuthorizationPolicy', 'authorizationpolicies', ['ap'], authorizationPolicySpec, [
      column('Action', '.spec.action', 'What happens to a match'),
    ]),
    check: checkAuthorizationPolicy,
  },
  {
    kind: 'Telemetry',
    group: 'telemetry.istio.io',
    versions: ['v1', 'v1alpha1'],
    plural: 'telemetries',
    shortNames: ['telemetry'],
    spec: telemetrySpec,
    check: checkTelemetry,
    printerColumns: [age],
    collection: 'istio/telemetry/v1alpha1/telemetries',
  },
  {
    kind: 'WasmPlugin',
    group: 'extensions.istio.io',
    versions: ['v1alpha1'],
    plural: 'wasmplugins',
    shortNames: [],
    spec: wasmPluginSpec,
    check: checkWasmPlugin,
    printerColumns: [age],
    collection: 'istio/extensions/v1alpha1/wasmplugins',
  },
  {
    kind: 'TrafficExtension',
    group: 'extensions.istio.io',
    versions: ['v1alpha1'],
    plural: 'trafficextensions',
    shortNames: [],
    spec: trafficExtensionSpec,
    check: checkTrafficExtension,
    printerColumns: [age],
    collection: 'istio/extensions/v1alpha1/trafficextensions',
  },
  mixer('handler', 'handlers', handlerSpec),
  mixer('instance', 'instances', instanceSpec),
  mixer('rule', 'rules', ruleSpec),
  mixer('attributemanifest', 'attributemanifests', attributeManifestSpec),
  { ...mixer('adapter', 'adapters', adapterSpec), collection: 'istio/config/v1alpha2/adapters' },
  { ...mixer('template', 'templates', templateSpec), collection: 'istio/config/v1alpha2/templates' },
  // Of Mixer's client in the proxy: pilot reads them.
  {
    ...mixer('QuotaSpec', 'quotaspecs', quotaSpecSpec),
    check: checkQuotaSpec,
    collection: 'istio/mixer/v1/config/client/quotaspecs',
  },
  {
    ...mixer('QuotaSpecBinding', 'quotaspecbindings', quotaSpecBindingSpec),
    check: checkQuotaSpecBinding,
    collection: 'istio/mixer/v1/config/client/quotaspecbindings',
  },
  {
    ...mixer('HTTPAPISpec', 'httpapispecs', httpApiSpecSpec),
    check: checkHttpApiSpec,
    collection: 'istio/config/v1alpha2/httpapispecs',
  },
  {
    ...mixer('HTTPAPISpecBinding', 'httpapispecbindings', httpApiSpecBindingSpec),
    check: checkHttpApiSpecBinding,
    collection: 'istio/config/v1alpha2/httpapispecbindings',
  },
  ...olderMixer(OLDER_HANDLER_KINDS, 'handler'),
  ...olderMixer(OLDER_INSTANCE_KINDS, 'instance'),
  rbac('ServiceRole', 'serviceroles', serviceRoleSpec),
  rbac('ServiceRoleBinding', 'servicerolebindings', serviceRoleBindingSpec),
  rbac('ClusterRbacConfig', 'clusterrbacconfigs', clusterRbacConfigSpec),
];

/** The kind of an object by its `apiVersion` and `kind`, or undefined when the mesh does not know it. */
export function findKind(apiVersion: string, kind: string): KindDefinition | undefined {
  return kinds.find(
    (definition) => definition.kind === kind && definition.versions.some((version) => `${definition.group}/${version}` === apiVersion),
  );
}
