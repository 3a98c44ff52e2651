import { type Fields, record } from './fields.ts';
import type { Subject } from './message.ts';
import type { RawObject } from './object.ts';
import type { Labels } from './selectors.ts';

/** A kind that analyzers read; `KubernetesGateway` is the Gateway API's Gateway. */
export type AnalysedKind = (typeof analysedKinds)[number]['name'];

/** All of them, with the group that owns each. */
export const analysedKinds = [
  { name: 'Service', group: '', kind: 'Service' },
  { name: 'Namespace', group: '', kind: 'Namespace' },
  { name: 'Node', group: '', kind: 'Node' },
  { name: 'Pod', group: '', kind: 'Pod' },
  { name: 'Secret', group: '', kind: 'Secret' },
  { name: 'ConfigMap', group: '', kind: 'ConfigMap' },
  { name: 'Deployment', group: 'apps', kind: 'Deployment' },
  { name: 'StatefulSet', group: 'apps', kind: 'StatefulSet' },
  { name: 'DaemonSet', group: 'apps', kind: 'DaemonSet' },
  { name: 'ReplicaSet', group: 'apps', kind: 'ReplicaSet' },
  { name: 'Job', group: 'batch', kind: 'Job' },
  { name: 'MutatingWebhookConfiguration', group: 'admissionregistration.k8s.io', kind: 'MutatingWebhookConfiguration' },
  { name: 'ValidatingWebhookConfiguration', group: 'admissionregistration.k8s.io', kind: 'ValidatingWebhookConfiguration' },
  { name: 'CustomResourceDefinition', group: 'apiextensions.k8s.io', kind: 'CustomResourceDefinition' },
  { name: 'KubernetesGateway', group: 'gateway.networking.k8s.io', kind: 'Gateway' },
  { name: 'HTTPRoute', group: 'gateway.networking.k8s.io', kind: 'HTTPRoute' },
  { name: 'GRPCRoute', group: 'gateway.networking.k8s.io', kind: 'GRPCRoute' },
  { name: 'VirtualService', group: 'networking.istio.io', kind: 'VirtualService' },
  { name: 'DestinationRule', group: 'networking.istio.io', kind: 'DestinationRule' },
  { name: 'Gateway', group: 'networking.istio.io', kind: 'Gateway' },
  { name: 'ServiceEntry', group: 'networking.istio.io', kind: 'ServiceEntry' },
  { name: 'WorkloadEntry', group: 'networking.istio.io', kind: 'WorkloadEntry' },
  { name: 'WorkloadGroup', group: 'networking.istio.io', kind: 'WorkloadGroup' },
  { name: 'Sidecar', group: 'networking.istio.io', kind: 'Sidecar' },
  { name: 'EnvoyFilter', group: 'networking.istio.io', kind: 'EnvoyFilter' },
  { name: 'ProxyConfig', group: 'networking.istio.io', kind: 'ProxyConfig' },
  { name: 'AuthorizationPolicy', group: 'security.istio.io', kind: 'AuthorizationPolicy' },
  { name: 'PeerAuthentication', group: 'security.istio.io', kind: 'PeerAuthentication' },
  { name: 'RequestAuthentication', group: 'security.istio.io', kind: 'RequestAuthentication' },
  { name: 'Telemetry', group: 'telemetry.istio.io', kind: 'Telemetry' },
  { name: 'WasmPlugin', group: 'extensions.istio.io', kind: 'WasmPlugin' },
  { name: 'TrafficExtension', group: 'extensions.istio.io', kind: 'TrafficExtension' },
] as const;

const NAME_BY_TYPE: ReadonlyMap<string, AnalysedKind> = new Map(analysedKinds.map(({ group, kind, name }) => [`${group}/${kind}`, name]));

export function analysedKindOf(object: RawObject): AnalysedKind | undefined {
  const slash = object.apiVersion.indexOf('/');
  return NAME_BY_TYPE.get(`${slash < 0 ? '' : object.apiVersion.slice(0, slash)}/${object.kind}`);
}

/** An object as analyzers read it: nothing in it has been checked but its envelope. */
export interface Resource {
  readonly kind: AnalysedKind;
  readonly name: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  /** `namespace/name`, or the name alone where there is no namespace. */
  readonly fullName: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly spec: Fields;
  readonly status: Fields;
  readonly content: Fields;
  readonly subject: Subject;
}

/** `spec` replaces that of the document where a decoder has brought it into its normal form. */
export function toResource(kind: AnalysedKind, object: RawObject, spec?: Fields): Resource {
  const { namespace, name, labels, annotations } = object.metadata;
  return {
    kind,
    name,
    namespace,
    fullName: namespace === '' ? name : `${namespace}/${name}`,
    labels,
    annotations,
    spec: spec ?? record(object.content['spec']),
    status: record(object.content['status']),
    content: object.content,
    subject: subjectOf(object),
  };
}

export function subjectOf(object: RawObject): Subject {
  const { kind, source, cluster } = object;
  const { namespace, name } = object.metadata;
  return { kind, namespace, name, ...(source === undefined ? {} : { source }), ...(cluster === undefined ? {} : { cluster }) };
}
