import type { FilterSchema } from '@xebec/protos/envoy/config/listener/v3/listener_components';
import type { RouteConfigurationSchema } from '@xebec/protos/envoy/config/route/v3/route';
import {
  HttpConnectionManager_ForwardClientCertDetails,
  HttpConnectionManager_PathWithEscapedSlashesAction,
  HttpConnectionManagerSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import { PreserveCaseFormatterConfigSchema } from '@xebec/protos/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case';
import { UuidRequestIdConfigSchema } from '@xebec/protos/envoy/extensions/request_id/uuid/v3/uuid';
import { extension, type Fields, pack, typedExtension } from '../envoy/any.ts';
import { ADS_SOURCE } from '../envoy/config-source.ts';
import { ZERO } from '../envoy/duration.ts';
import { settingsFields } from './connection-settings.ts';
import type { SideContext } from './context.ts';
import type { Direction, HttpFilter } from './http-filters.ts';
import { gatewayForwarding } from './proxy-headers.ts';

export type NetworkFilter = Fields<typeof FilterSchema>;
type Manager = Fields<typeof HttpConnectionManagerSchema>;

export interface ConnectionManagerView {
  readonly direction: Direction;
  /** `outbound_0.0.0.0_9080;`: the semicolon ends a name that has dots in it. */
  readonly statPrefix: string;
  /** Over RDS by name, or inline. */
  readonly route: string | Fields<typeof RouteConfigurationSchema>;
  readonly filters: readonly HttpFilter[];
  readonly side: SideContext;
  readonly pathNormalization: string;
  /** The port is declared to speak HTTP/2. */
  readonly http2?: boolean;
  /** The explicit proxy port takes absolute URIs. */
  readonly explicitProxy?: boolean;
}

export function connectionManager(view: ConnectionManagerView): NetworkFilter {
  const { route } = view;
  return extension('envoy.filters.network.http_connection_manager', HttpConnectionManagerSchema, {
    statPrefix: view.statPrefix,
    routeSpecifier:
      typeof route === 'string'
        ? { case: 'rds', value: { configSource: ADS_SOURCE, routeConfigName: route } }
        : { case: 'routeConfig', value: route },
    ...managerFields(view),
  });
}

/** All but the route and the prefix of its numbers. */
export function managerFields(view: Omit<ConnectionManagerView, 'statPrefix' | 'route'>): Manager {
  const { side } = view;
  const { headers } = side;
  const escaped = HttpConnectionManager_PathWithEscapedSlashesAction;
  const decode = view.pathNormalization === 'DECODE_AND_MERGE_SLASHES';
  const { http2ProtocolOptions: http2, ...settings } = settingsFields(side.settings, side.idleTimeout);
  return {
    httpFilters: [...view.filters],
    ...(side.tracing.fields === undefined ? {} : { tracing: side.tracing.fields }),
    streamIdleTimeout: ZERO,
    accessLog: [...side.accessLog],
    ...(side.denials === undefined ? {} : { localReplyConfig: side.denials }),
    useRemoteAddress: view.direction === 'gateway',
    proxy100Continue: true,
    appendXForwardedPort: headers.forwardedPort,
    upgradeConfigs: [{ upgradeType: 'websocket' }],
    normalizePath: view.pathNormalization !== 'NONE',
    mergeSlashes: view.pathNormalization === 'MERGE_SLASHES' || decode,
    pathWithEscapedSlashesAction: decode ? escaped.UNESCAPE_AND_FORWARD : escaped.KEEP_UNCHANGED,
    requestIdExtension: {
      typedConfig: pack(UuidRequestIdConfigSchema, { useRequestIdForTraceSampling: side.tracing.useRequestIdForTraceSampling }),
    },
    serverName: headers.serverName,
    serverHeaderTransformation: headers.serverTransformation,
    ...(headers.generateRequestId ? {} : { generateRequestId: false }),
    ...http1Fields(view),
    ...(http2 === undefined ? (view.http2 === true ? { http2ProtocolOptions: {} } : {}) : { http2ProtocolOptions: http2 }),
    ...certificateFields(view),
    ...settings,
  };
}

function http1Fields({ side, direction, explicitProxy }: Omit<ConnectionManagerView, 'statPrefix' | 'route'>): Manager {
  const options = {
    ...(explicitProxy === true ? { allowAbsoluteUrl: true } : {}),
    ...(side.http10 ? { acceptHttp10: true } : {}),
    ...(side.headers.preserveCase
      ? {
          headerKeyFormat: {
            headerFormat: {
              case: 'statefulFormatter' as const,
              value: typedExtension('preserve_case', PreserveCaseFormatterConfigSchema),
            },
          },
        }
      : {}),
  };
  return direction === 'gateway' || Object.keys(options).length > 0 ? { httpProtocolOptions: options } : {};
}

/** What becomes of `x-forwarded-client-cert`, and whose forwarded addresses are believed. */
function certificateFields({ side, direction }: Pick<ConnectionManagerView, 'side' | 'direction'>): Manager {
  const forward = HttpConnectionManager_ForwardClientCertDetails;
  switch (direction) {
    case 'inbound':
      return { forwardClientCertDetails: side.headers.forwardClientCert, setCurrentClientCertDetails: side.headers.clientCertDetails };
    case 'gateway': {
      const details = gatewayForwarding(side.topology?.forwardClientCertDetails);
      const adds = details === forward.SANITIZE_SET || details === forward.APPEND_FORWARD;
      const hops = side.topology?.numTrustedProxies ?? 0;
      return {
        forwardClientCertDetails: details,
        ...(adds ? { setCurrentClientCertDetails: { subject: true, cert: true, dns: true, uri: true } } : {}),
        ...(hops === 0 ? {} : { xffNumTrustedHops: hops }),
      };
    }
    case 'outbound':
      return {};
  }
}
