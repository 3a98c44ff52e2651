import { fromJson, type JsonObject, type JsonValue, toJson } from '@bufbuild/protobuf';
import {
  createSnapshot,
  type Endpoint,
  type MeshProxy,
  type MeshSnapshot,
  protocolOfPort,
  proxyFromNode,
  type Service,
  serviceKey,
} from '@xebec/model';
import { ClusterSchema } from '@xebec/protos/envoy/config/cluster/v3/cluster';
import { NodeSchema } from '@xebec/protos/envoy/config/core/v3/base';
import { ClusterLoadAssignmentSchema } from '@xebec/protos/envoy/config/endpoint/v3/endpoint';
import { ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import { createProtoRegistry } from '@xebec/protos/registry';
import { decodeMeshConfig, decodeObject } from '@xebec/schemas';
import { generateAll } from '../generate-all.ts';

/** A mesh in short form, for tests and goldens. */
export interface Scenario {
  /** Protobuf JSON of the xDS node. */
  readonly node: JsonObject;
  readonly mesh?: JsonObject;
  readonly services?: readonly ScenarioService[];
  /** Istio objects, as users write them. */
  readonly objects?: readonly JsonObject[];
}

export interface ScenarioService {
  readonly host: string;
  /** Virtual address; without one the service is headless. */
  readonly address?: string;
  readonly ports: readonly { readonly name: string; readonly number: number; readonly targetPort?: number }[];
  readonly selector: Readonly<Record<string, string>>;
  readonly pods?: readonly ScenarioPod[];
}

export interface ScenarioPod {
  readonly name: string;
  readonly ip: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount?: string;
  /** Whether mTLS ends in a sidecar; yes unless said otherwise. */
  readonly sidecar?: boolean;
  readonly region?: string;
}

const registry = createProtoRegistry();

/** Builds the snapshot and the proxy of a scenario; throws where the scenario itself is wrong. */
export function build(scenario: Scenario): { snapshot: MeshSnapshot; proxy: MeshProxy } {
  const mesh = decodeMeshConfig(scenario.mesh ?? {});
  if (!mesh.ok) throw new Error(JSON.stringify(mesh.error));
  const config = (scenario.objects ?? []).map((object) => {
    const decoded = decodeObject(object, { defaultNamespace: 'default' });
    if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
    return decoded.value;
  });
  const endpoints = new Map<string, Endpoint[]>();
  const services = (scenario.services ?? []).map((given) => {
    const service = toService(given);
    endpoints.set(
      serviceKey(service),
      (given.pods ?? []).flatMap((pod) => service.ports.map((port) => toEndpoint(service, port, pod))),
    );
    return service;
  });
  const proxy = proxyFromNode(fromJson(NodeSchema, scenario.node));
  if (!proxy.ok) throw new Error(proxy.error);
  return { snapshot: createSnapshot({ version: '1', mesh: mesh.value, services, endpoints, config }), proxy: proxy.value };
}

/** What a proxy gets, as protobuf JSON. */
export type Rendered = Record<'clusters' | 'listeners' | 'routes' | 'endpoints', JsonValue[]>;

/** What a scenario's proxy gets. */
export function render(scenario: Scenario): Rendered {
  const { snapshot, proxy } = build(scenario);
  return renderSnapshot(snapshot, proxy);
}

/** What a proxy of the snapshot gets. */
export function renderSnapshot(snapshot: MeshSnapshot, proxy: MeshProxy): Rendered {
  const all = generateAll(snapshot, proxy);
  return {
    clusters: all.clusters.map(({ message }) => toJson(ClusterSchema, message, { registry })),
    listeners: all.listeners.map(({ message }) => toJson(ListenerSchema, message, { registry })),
    routes: all.routes.map(({ message }) => toJson(RouteConfigurationSchema, message, { registry })),
    endpoints: all.endpoints.map(({ message }) => toJson(ClusterLoadAssignmentSchema, message, { registry })),
  };
}

function toService(given: ScenarioService): Service {
  const [name = '', namespace = ''] = given.host.split('.');
  const headless = given.address === undefined;
  return {
    hostname: given.host,
    name,
    namespace,
    registry: 'kubernetes',
    addresses: given.address === undefined ? [] : [given.address],
    ports: given.ports.map((port) => ({ ...port, protocol: protocolOfPort({ name: port.name, number: port.number }) })),
    resolution: headless ? 'passthrough' : 'client-side',
    meshExternal: false,
    headless,
    exportTo: [],
    selector: given.selector,
    labels: {},
    creationTimestamp: '2026-01-01T00:00:00Z',
    subjectAltNames: [],
  };
}

function toEndpoint(service: Service, port: Service['ports'][number], pod: ScenarioPod): Endpoint {
  return {
    address: pod.ip,
    port: typeof port.targetPort === 'number' ? port.targetPort : port.number,
    servicePortName: port.name,
    labels: pod.labels,
    namespace: service.namespace,
    serviceAccount: pod.serviceAccount ?? 'default',
    workloadName: pod.name,
    locality: { region: pod.region ?? '', zone: '', subzone: '' },
    weight: 1,
    health: 'healthy',
    tlsMode: pod.sidecar === false ? 'disabled' : 'istio',
    network: '',
  };
}
