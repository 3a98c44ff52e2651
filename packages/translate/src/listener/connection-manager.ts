import type { FilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import {
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { UuidRequestIdConfigSchema } from '@xebec/protos/envoy/extensions/request_id/uuid/v3/uuid';
import { extension, type Fields, pack } from '../envoy/any.ts';
import { ADS_SOURCE } from '../envoy/config-source.ts';
import { ZERO } from '../envoy/duration.ts';
import type { SideContext } from './context.ts';
import type { Direction, HttpFilter } from './http-filters.ts';

export type NetworkFilter = Fields<typeof FilterSchema>;

export interface ConnectionManagerView {
  readonly direction: Direction;
  /** `outbound_0.0.0.0_9080;`: the semicolon ends a name that has dots in it. */
  readonly statPrefix: string;
  /** Over RDS by name, or inline. */
  readonly route: string | Fields<typeof RouteConfigurationSchema>;
  readonly filters: readonly HttpFilter[];
  readonly side: SideContext;
  readonly pathNormalization: string;
  /** Proxies in front of a gateway whose x-forwarded-for is believed. */
  readonly trustedProxies?: number;
  /** The explicit proxy port takes absolute URIs. */
  readonly explicitProxy?: boolean;
}

export function connectionManager(view: ConnectionManagerView): NetworkFilter {
  const { route, side, direction } = view;
  const escaped = HttpConnectionManager_PathWithEscapedSlashesAction;
  const decode = view.pathNormalization === 'DECODE_AND_MERGE_SLASHES';
  return extension('envoy.filters.network.http_connection_manager', HttpConnectionManagerSchema, {
    statPrefix: view.statPrefix,
    routeSpecifier:
      typeof route === 'string'
        ? { case: 'rds', value: { configSource: ADS_SOURCE, routeConfigName: route } }
        : { case: 'routeConfig', value: route },
    httpFilters: [...view.filters],
    ...(side.tracing.fields === undefined ? {} : { tracing: side.tracing.fields }),
    streamIdleTimeout: ZERO,
    accessLog: [...side.accessLog],
    useRemoteAddress: direction === 'gateway',
    proxy100Continue: true,
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    normalizePath: view.pathNormalization !== 'NONE',
    mergeSlashes: view.pathNormalization === 'MERGE_SLASHES' || decode,
    pathWithEscapedSlashesAction: decode ? escaped.UNESCAPE_AND_FORWARD : escaped.KEEP_UNCHANGED,
    requestIdExtension: {
      typedConfig: pack(UuidRequestIdConfigSchema, { useRequestIdForTraceSampling: side.tracing.useRequestIdForTraceSampling }),
    },
    ...directionFields(view),
  });
}

function directionFields(view: ConnectionManagerView): Fields<typeof HttpConnectionManagerSchema> {
  const forward = HttpConnectionManager_ForwardClientCertDetails;
  switch (view.direction) {
    case 'inbound':
      return {
        serverName: 'istio-envoy',
        forwardClientCertDetails: forward.APPEND_FORWARD,
        setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
      };
    case 'gateway':
      return {
        serverName: 'istio-envoy',
        httpProtocolOptions: {},
        forwardClientCertDetails: forward.SANITIZE_SET,
        setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true },
        ...(view.trustedProxies === undefined || view.trustedProxies === 0 ? {} : { xffNumTrustedHops: view.trustedProxies }),
      };
    case 'outbound':
      return view.explicitProxy === true ? { httpProtocolOptions: { allowAbsoluteUrl: true } } : {};
  }
}
