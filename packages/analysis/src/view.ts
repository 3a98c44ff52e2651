import { hostCovers, resolveHost } from '@xebec/model';
import {
  type AuthorizationPolicySpec,
  type ConfigObject,
  type DestinationRuleSpec,
  decodeObject,
  type GatewaySpec,
  isMeshGroup,
  type PeerAuthenticationSpec,
  type RequestAuthenticationSpec,
  type ServiceEntrySpec,
  type SidecarSpec,
  type VirtualServiceSpec,
} from '@xebec/schemas';
import type { Message, Subject } from './message.ts';
import { isRecord, type RawObject } from './object.ts';

/** A host that traffic can be sent to. */
export interface KnownHost {
  readonly hostname: string;
  readonly ports: readonly number[];
}

export interface PortOfService {
  readonly name: string;
  readonly number: number;
  readonly protocol: string;
  readonly appProtocol: string | undefined;
}

export interface ServiceView {
  readonly object: RawObject;
  readonly hostname: string;
  readonly ports: readonly PortOfService[];
}

/** Labels of something that runs: a pod, or the template of a workload controller. */
export interface WorkloadView {
  readonly object: RawObject;
  readonly labels: Readonly<Record<string, string>>;
  readonly containers: readonly string[];
}

/** What analyzers read: objects by kind, decoded, with the indexes they ask for. */
export interface AnalysisView {
  readonly domain: string;
  readonly rootNamespace: string;
  readonly namespaces: readonly RawObject[];
  readonly services: readonly ServiceView[];
  readonly pods: readonly WorkloadView[];
  readonly workloads: readonly WorkloadView[];
  readonly virtualServices: readonly ConfigObject<VirtualServiceSpec>[];
  readonly destinationRules: readonly ConfigObject<DestinationRuleSpec>[];
  readonly gateways: readonly ConfigObject<GatewaySpec>[];
  readonly sidecars: readonly ConfigObject<SidecarSpec>[];
  readonly policies: readonly ConfigObject<AuthorizationPolicySpec | PeerAuthenticationSpec | RequestAuthenticationSpec>[];
  readonly hosts: readonly KnownHost[];
  /** The host that a short or full name means, seen from a namespace. */
  findHost(name: string, namespace: string): KnownHost | undefined;
}

/** Decodes every object of the mesh; what does not decode becomes IST0106 and is left out of the view. */
export function createView(
  objects: readonly RawObject[],
  options: { domain: string; rootNamespace: string },
): { view: AnalysisView; messages: Message[] } {
  const messages: Message[] = [];
  const decoded: ConfigObject[] = [];
  for (const object of objects) {
    if (!isMeshGroup(object.apiVersion)) continue;
    const result = decodeObject(object.content, {
      defaultNamespace: object.metadata.namespace,
      ...(object.source === undefined ? {} : { source: object.source }),
    });
    if (result.ok) decoded.push(result.value);
    else
      messages.push(
        ...result.error.map(
          (violation): Message => ({
            code: 'IST0106',
            subject: subjectOfRaw(object),
            path: violation.path,
            text: `Schema validation error: ${violation.path}: ${violation.message}`,
          }),
        ),
      );
  }
  const services = objects
    .filter((object) => object.kind === 'Service' && object.apiVersion === 'v1')
    .map((object) => toService(object, options.domain));
  const serviceEntries = ofKind<ServiceEntrySpec>(decoded, 'ServiceEntry');
  const hosts: KnownHost[] = [
    ...services.map(({ hostname, ports }) => ({ hostname, ports: ports.map((port) => port.number) })),
    ...serviceEntries.flatMap(({ spec }) =>
      spec.hosts.map((hostname) => ({ hostname, ports: (spec.ports ?? []).map((port) => port.number) })),
    ),
  ];
  const pods = objects
    .filter((object) => object.kind === 'Pod' && object.apiVersion === 'v1')
    .map((object) => toWorkload(object, object.content, object.metadata.labels));
  const controllers = objects.filter((object) => object.apiVersion === 'apps/v1').map(toControllerWorkload);
  const view: AnalysisView = {
    ...options,
    namespaces: objects.filter((object) => object.kind === 'Namespace'),
    services,
    pods,
    workloads: [...pods, ...controllers],
    virtualServices: ofKind(decoded, 'VirtualService'),
    destinationRules: ofKind(decoded, 'DestinationRule'),
    gateways: ofKind(decoded, 'Gateway'),
    sidecars: ofKind(decoded, 'Sidecar'),
    policies: [
      ...ofKind<AuthorizationPolicySpec>(decoded, 'AuthorizationPolicy'),
      ...ofKind<PeerAuthenticationSpec>(decoded, 'PeerAuthentication'),
      ...ofKind<RequestAuthenticationSpec>(decoded, 'RequestAuthentication'),
    ],
    hosts,
    findHost(name, namespace) {
      const full = resolveHost(name, namespace, options.domain);
      return hosts.find((host) => host.hostname === full) ?? hosts.find((host) => hostCovers(host.hostname, full));
    },
  };
  return { view, messages };
}

/** The decoder has checked the spec against the schema of this kind. */
function ofKind<Spec>(objects: readonly ConfigObject[], kind: string): ConfigObject<Spec>[] {
  return objects.filter((object): object is ConfigObject<Spec> => object.kind === kind);
}

function toService(object: RawObject, domain: string): ServiceView {
  const spec = isRecord(object.content['spec']) ? object.content['spec'] : {};
  const ports = Array.isArray(spec['ports']) ? spec['ports'].filter(isRecord) : [];
  return {
    object,
    hostname: `${object.metadata.name}.${object.metadata.namespace}.svc.${domain}`,
    ports: ports.map((port) => ({
      name: typeof port['name'] === 'string' ? port['name'] : '',
      number: Number(port['port']),
      protocol: typeof port['protocol'] === 'string' ? port['protocol'] : 'TCP',
      appProtocol: typeof port['appProtocol'] === 'string' ? port['appProtocol'] : undefined,
    })),
  };
}

function toWorkload(
  object: RawObject,
  template: Readonly<Record<string, unknown>>,
  labels: Readonly<Record<string, string>>,
): WorkloadView {
  const spec = isRecord(template['spec']) ? template['spec'] : {};
  const all = [spec['containers'], spec['initContainers']].flatMap((list) => (Array.isArray(list) ? list.filter(isRecord) : []));
  return { object, labels, containers: all.map((container) => String(container['name'])) };
}

function toControllerWorkload(object: RawObject): WorkloadView {
  const spec = isRecord(object.content['spec']) ? object.content['spec'] : {};
  const template = isRecord(spec['template']) ? spec['template'] : {};
  const metadata = isRecord(template['metadata']) ? template['metadata'] : {};
  const labels = isRecord(metadata['labels']) ? metadata['labels'] : {};
  return toWorkload(object, template, Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, String(value)])));
}

export function subjectOfRaw(object: RawObject): Subject {
  const { namespace, name } = object.metadata;
  return { kind: object.kind, namespace, name, ...(object.source === undefined ? {} : { source: object.source }) };
}

export function subjectOf(object: ConfigObject): Subject {
  const { namespace, name } = object.metadata;
  return { kind: object.kind, namespace, name, ...(object.source === undefined ? {} : { source: object.source }) };
}
