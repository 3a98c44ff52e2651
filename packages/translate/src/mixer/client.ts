import type { Any } from '@bufbuild/protobuf/wkt';
import { type MeshProxy, type MeshSnapshot, resolveHost, type Service, type SidecarScope, spiffeId } from '@xebec/model';
import type { HttpFilterSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { MixerClientPerRouteSchema, MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { TcpMixerClientSchema } from '@xebec/protos/xebec/filters/network/mixer/v1/mixer';
import { outboundCluster } from '../cluster/names.ts';
import { extension, type Fields, pack } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { MIXER, MIXER_TCP } from '../extensions.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { Direction } from '../listener/http-filters.ts';
import { checkPolicy, checksCalls } from './policy.ts';
import { apiSpecsOf, quotaRulesOf } from './service-specs.ts';

type ClientFields = Fields<typeof MixerClientSchema>;

/**
 * The Mixer client filter: policy checks and telemetry reports, as release 1.4 did. Only for proxies that have the filter, and only while
 * the mesh names a Mixer that the proxy can see.
 */
export function mixerFilter(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  scope: SidecarScope,
  direction: Direction,
): Fields<typeof HttpFilterSchema>[] {
  if (!proxy.extensions.has(MIXER)) return [];
  const fields = clientFields(snapshot, proxy, scope, direction, snapshot.mesh.disableMixerHttpReports === true);
  if (fields === undefined) return [];
  const forward = direction === 'inbound' ? {} : { forwardAttributes: { attributes: forwardedAttributes(proxy) } };
  return [
    extension(MIXER, MixerClientSchema, {
      ...fields,
      ...forward,
      // At the edge nobody has anything to say about who calls.
      ...(direction === 'gateway' ? { ignoreForwardedAttributes: true } : {}),
    }),
  ];
}

/** The same for connections. `service`: whose port it is, where that is known. */
export function mixerConnectionFilter(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  scope: SidecarScope,
  direction: Direction,
  service: Service | undefined,
): NetworkFilter[] {
  if (!proxy.extensions.has(MIXER_TCP)) return [];
  const fields = clientFields(snapshot, proxy, scope, direction, false);
  if (fields === undefined) return [];
  const attributes = { ...fields.mixerAttributes?.attributes, ...(service === undefined ? {} : serviceAttributes(service)) };
  return [
    extension(MIXER_TCP, TcpMixerClientSchema, {
      client: { ...fields, mixerAttributes: { attributes } },
      quotaRules: service === undefined ? [] : quotaRulesOf(snapshot, service),
    }),
  ];
}

/** What the filter cannot know by itself: which service the route stands for, what its calls are charged, which APIs it has. */
export function mixerRouteConfig(snapshot: MeshSnapshot, service: Service): Record<string, Any> {
  return {
    [MIXER]: pack(MixerClientPerRouteSchema, {
      mixerAttributes: { attributes: serviceAttributes(service) },
      quotaRules: quotaRulesOf(snapshot, service),
      apiSpecs: apiSpecsOf(snapshot, service),
    }),
  };
}

/** Whether a caller's proxy asks about what leaves it: then its routes must say which service is called. */
export function asksMixer({ mesh }: MeshSnapshot, proxy: MeshProxy): boolean {
  return (
    mesh.mixerCheckServer !== undefined &&
    mesh.mixerCheckServer !== '' &&
    proxy.extensions.has(MIXER) &&
    checksCalls(mesh, proxy, 'outbound')
  );
}

/** Undefined when there is nobody to ask or tell. */
function clientFields(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  scope: SidecarScope,
  direction: Direction,
  noReports: boolean,
): ClientFields | undefined {
  const { mesh } = snapshot;
  const check = checksCalls(mesh, proxy, direction) ? clusterOf(mesh.mixerCheckServer, snapshot, scope) : undefined;
  const report = noReports ? undefined : clusterOf(mesh.mixerReportServer, snapshot, scope);
  if (check === undefined && report === undefined) return undefined;
  return {
    checkCluster: check ?? '',
    reportCluster: report ?? '',
    ...checkPolicy(mesh, proxy),
    ...(mesh.reportBatchMaxEntries === undefined ? {} : { reportBatchMaxEntries: mesh.reportBatchMaxEntries }),
    ...(mesh.reportBatchMaxTime === undefined ? {} : { reportBatchMaxTime: duration(mesh.reportBatchMaxTime) }),
    mixerAttributes: { attributes: staticAttributes(proxy, mesh.trustDomain ?? 'cluster.local', direction === 'inbound') },
  };
}

function clusterOf(server: string | undefined, snapshot: MeshSnapshot, scope: SidecarScope): string | undefined {
  if (server === undefined || server === '') return undefined;
  const [host = '', port = ''] = server.split(':');
  const candidates = [
    host,
    resolveHost(host, snapshot.rootNamespace, snapshot.domain),
    `${host}.${snapshot.domain}`,
    `${host}.svc.${snapshot.domain}`,
  ];
  const service = candidates.map((name) => scope.service(name)).find((found) => found !== undefined);
  return service === undefined ? undefined : outboundCluster(Number(port), undefined, service.hostname);
}

const text = (value: string) => ({ value: { case: 'stringValue' as const, value } });

function serviceAttributes(service: Service) {
  return {
    'destination.service.host': text(service.hostname),
    'destination.service.name': text(service.name),
    'destination.service.namespace': text(service.namespace),
    'destination.service.uid': text(`istio://${service.namespace}/services/${service.name}`),
  };
}

function forwardedAttributes(proxy: MeshProxy) {
  return { 'source.uid': text(`kubernetes://${proxy.name}.${proxy.namespace}`), 'source.namespace': text(proxy.namespace) };
}

function staticAttributes(proxy: MeshProxy, trustDomain: string, inbound: boolean) {
  const side = inbound ? 'destination' : 'source';
  return {
    'context.reporter.kind': text(inbound ? 'inbound' : 'outbound'),
    'context.reporter.uid': text(`kubernetes://${proxy.name}.${proxy.namespace}`),
    'context.proxy_version': text(typeof proxy.metadata.ISTIO_VERSION === 'string' ? proxy.metadata.ISTIO_VERSION : ''),
    [`${side}.uid`]: text(`kubernetes://${proxy.name}.${proxy.namespace}`),
    [`${side}.name`]: text(proxy.name),
    [`${side}.namespace`]: text(proxy.namespace),
    [`${side}.principal`]: text(spiffeId(trustDomain, proxy.namespace, proxy.serviceAccount).slice('spiffe://'.length)),
    [`${side}.labels`]: { value: { case: 'stringMapValue' as const, value: { entries: { ...proxy.labels } } } },
    [`${side}.workload.name`]: text(typeof proxy.metadata.WORKLOAD_NAME === 'string' ? proxy.metadata.WORKLOAD_NAME : proxy.name),
    [`${side}.workload.namespace`]: text(proxy.namespace),
  };
}
