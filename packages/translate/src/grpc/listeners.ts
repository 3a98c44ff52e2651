import { create } from '@bufbuild/protobuf';
import { isHttp, type MeshProxy, type MeshSnapshot, sidecarScope } from '@xebec/model';
import { ApiListenerSchema } from '@xebec/protos/envoy/config/listener/v3/api_listener';
import { type Listener, ListenerSchema } from '@xebec/protos/envoy/config/listener/v3/listener';
import { HTTPFaultSchema } from '@xebec/protos/envoy/extensions/filters/http/fault/v3/fault';
import { RouterSchema } from '@xebec/protos/envoy/extensions/filters/http/router/v3/router';
import { HttpConnectionManagerSchema } from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { outboundCluster } from '../cluster/names.ts';
import { socketAddress } from '../envoy/address.ts';
import { extension, pack } from '../envoy/any.ts';
import { ADS_SOURCE } from '../envoy/config-source.ts';
import type { Generated } from '../generated.ts';
import { serviceDomains } from '../route/virtual-host.ts';

/**
 * API listeners of proxyless gRPC: one for each name and port a client may write in `xds:///name:port`. All names of a
 * service share one route configuration.
 */
export function grpcListeners(snapshot: MeshSnapshot, proxy: MeshProxy): Generated<Listener>[] {
  const out: Generated<Listener>[] = [];
  for (const service of sidecarScope(snapshot, proxy).services) {
    if (service.aliasOf !== undefined) continue;
    for (const port of service.ports) {
      if (!isHttp(port.protocol) && port.protocol !== 'auto') continue;
      const routeConfigName = outboundCluster(port.number, undefined, service.hostname);
      const names = serviceDomains(service, proxy, snapshot.domain).filter((name) => !name.endsWith('.') && !name.startsWith('*'));
      for (const name of names)
        out.push(apiListener(`${name}:${port.number}`, routeConfigName, service.addresses[0] ?? '0.0.0.0', port.number));
    }
  }
  return out;
}

function apiListener(name: string, routeConfigName: string, address: string, port: number): Generated<Listener> {
  const message = create(ListenerSchema, {
    name,
    address: socketAddress(address, port),
    apiListener: create(ApiListenerSchema, {
      apiListener: pack(HttpConnectionManagerSchema, {
        routeSpecifier: { case: 'rds', value: { configSource: ADS_SOURCE, routeConfigName } },
        httpFilters: [
          extension('envoy.filters.http.fault', HTTPFaultSchema),
          // Without a router at the end a gRPC client refuses the listener.
          extension('envoy.filters.http.router', RouterSchema),
        ],
      }),
    }),
  });
  return { name, message, provenance: [] };
}
