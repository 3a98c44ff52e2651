import type { Any } from '@bufbuild/protobuf/wkt';
import { type MeshProxy, type MeshSnapshot, resolveHost, type Service, type SidecarScope, spiffeId } from '@xebec/model';
import type { HttpFilterSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { MixerClient_FailPolicy, MixerClientPerRouteSchema, MixerClientSchema } from '@xebec/protos/xebec/filters/http/mixer/v1/mixer';
import { outboundCluster } from '../cluster/names.ts';
import { extension, type Fields, pack } from '../envoy/any.ts';
import { MIXER } from '../extensions.ts';

/**
 * The Mixer client filter: policy checks and telemetry reports, on the side of the destination, as release 1.4 did where
 * both are on. Only for proxies that have the filter, and only while the mesh names a Mixer that the proxy can see.
 */
export function mixerFilter(
  snapshot: MeshSnapshot,
  proxy: MeshProxy,
  scope: SidecarScope,
  inbound: boolean,
): Fields<typeof HttpFilterSchema>[] {
  if (!proxy.extensions.has(MIXER)) return [];
  const { mesh } = snapshot;
  const check = inbound && mesh.disablePolicyChecks !== true ? clusterOf(mesh.mixerCheckServer, snapshot, scope) : undefined;
  const report = mesh.disableMixerHttpReports === true ? undefined : clusterOf(mesh.mixerReportServer, snapshot, scope);
  if (check === undefined && report === undefined) return [];
  return [
    extension(MIXER, MixerClientSchema, {
      checkCluster: check ?? '',
      reportCluster: report ?? '',
      failPolicy: mesh.policyCheckFailOpen === true ? MixerClient_FailPolicy.FAIL_OPEN : MixerClient_FailPolicy.FAIL_CLOSE,
      mixerAttributes: { attributes: staticAttributes(proxy, mesh.trustDomain ?? 'cluster.local', inbound) },
    }),
  ];
}

/** What the filter cannot know by itself: which service the route stands for. */
export function mixerRouteConfig(service: Service): Record<string, Any> {
  const text = (value: string) => ({ value: { case: 'stringValue' as const, value } });
  return {
    [MIXER]: pack(MixerClientPerRouteSchema, {
      mixerAttributes: {
        attributes: {
          'destination.service.host': text(service.hostname),
          'destination.service.name': text(service.name),
          'destination.service.namespace': text(service.namespace),
          'destination.service.uid': text(`istio://${service.namespace}/services/${service.name}`),
        },
      },
    }),
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

function staticAttributes(proxy: MeshProxy, trustDomain: string, inbound: boolean) {
  const side = inbound ? 'destination' : 'source';
  const text = (value: string) => ({ value: { case: 'stringValue' as const, value } });
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
