import type { Any } from '@bufbuild/protobuf/wkt';
import { type MeshProxy, type MeshSnapshot, resolveHost, type Service, type SidecarScope } from '@xebec/model';
import type { HttpFilterSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { MixerClientPerRouteSchema, MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { TcpMixerClientSchema } from '@xebec/protos/xebec/filters/network/mixer/v1/mixer';
import { outboundCluster } from '../cluster/names.ts';
import { extension, type Fields, pack } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';
import { istioMetadata } from '../envoy/istio-metadata.ts';
import { MIXER, MIXER_TCP, runs } from '../extensions.ts';
import type { NetworkFilter } from '../listener/connection-manager.ts';
import type { Direction } from '../listener/http-filters.ts';
import { serviceTexts, staticTexts } from './attributes.ts';
import { checkPolicy, checksCalls } from './policy.ts';
import { apiSpecsOf, quotaRulesOf } from './service-specs.ts';
import {
  authorizationFilter,
  authorizationRouteConfig,
  connectionAuthorizationFilter,
  EXT_AUTHZ,
  type ReportLogs,
  reportLogs,
} from './stock-envoy.ts';

type ClientFields = Fields<typeof MixerClientSchema>;

/**
 * The Mixer client filter: policy checks and telemetry reports, as release 1.4 did, while the mesh names a Mixer that the proxy can see.
 * Proxies that lack the filter ask by external authorization.
 */
export function mixerFilter(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  scope: SidecarScope,
  direction: Direction,
): Fields<typeof HttpFilterSchema>[] {
  if (!proxy.extensions.has(MIXER)) return authorizationFilter(snapshot, proxy, direction);
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
  if (!proxy.extensions.has(MIXER_TCP)) return connectionAuthorizationFilter(snapshot, proxy, direction, service);
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

/** Loggers that report to Mixer for the filters that a proxy lacks. */
export function mixerLogs(snapshot: MeshSnapshot, proxy: MeshProxy, direction: Direction): ReportLogs {
  const [http, tcp] = [proxy.extensions.has(MIXER), proxy.extensions.has(MIXER_TCP)];
  const logs = http && tcp ? undefined : reportLogs(snapshot, proxy, direction);
  return { http: http || logs === undefined ? [] : logs.http, tcp: tcp || logs === undefined ? [] : logs.tcp };
}

/** What the filter cannot know by itself: which service the route stands for, what its calls are charged, which APIs it has. */
export function mixerRouteConfig(snapshot: MeshSnapshot, proxy: MeshProxy, service: Service): Record<string, Any> {
  if (!proxy.extensions.has(MIXER)) return runs(proxy, EXT_AUTHZ) ? authorizationRouteConfig(snapshot, service) : {};
  return {
    [MIXER]: pack(MixerClientPerRouteSchema, {
      mixerAttributes: { attributes: serviceAttributes(service) },
      quotaRules: quotaRulesOf(snapshot, service),
      apiSpecs: apiSpecsOf(snapshot, service),
    }),
  };
}

/** What loggers that report to Mixer must know of an inbound route, where the proxy has no filter that reports. */
export function mixerRouteMetadata({ mesh }: MeshSnapshot, proxy: MeshProxy, service: Service) {
  const told = mesh.mixerReportServer !== undefined && mesh.mixerReportServer !== '' && mesh.disableMixerHttpReports !== true;
  return !told || proxy.extensions.has(MIXER)
    ? {}
    : { metadata: istioMetadata({ services: [{ host: service.hostname, name: service.name, namespace: service.namespace }] }) };
}

/** Whether a caller's proxy asks about what leaves it: then its routes must say which service is called. */
export function asksMixer({ mesh }: MeshSnapshot, proxy: MeshProxy): boolean {
  return mesh.mixerCheckServer !== undefined && mesh.mixerCheckServer !== '' && checksCalls(mesh, proxy, 'outbound');
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
    mixerAttributes: { attributes: staticAttributes(snapshot, proxy, direction) },
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
  return Object.fromEntries(Object.entries(serviceTexts(service)).map(([name, value]) => [name, text(value)]));
}

function forwardedAttributes(proxy: MeshProxy) {
  return { 'source.uid': text(`kubernetes://${proxy.name}.${proxy.namespace}`), 'source.namespace': text(proxy.namespace) };
}

function staticAttributes(snapshot: MeshSnapshot, proxy: MeshProxy, direction: Direction) {
  const entries = Object.entries(staticTexts(snapshot, proxy, direction));
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      typeof value === 'string' ? text(value) : { value: { case: 'stringMapValue' as const, value: { entries: value } } },
    ]),
  );
}
