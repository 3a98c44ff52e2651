import {
  HttpProtocolOptions_HeadersWithUnderscoresAction,
  type HttpProtocolOptionsSchema,
} from '@xebec/protos/envoy/config/core/v3/protocol';
import {
  HttpConnectionManager_PathWithEscapedSlashesAction,
  type HttpConnectionManagerSchema,
} from '@xebec/protos/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager';
import type { ConnectionSettings } from '@xebec/schemas';
import type { Fields } from '../envoy/any.ts';
import { type DurationFields, duration } from '../envoy/duration.ts';

type Manager = Fields<typeof HttpConnectionManagerSchema>;
type Common = Fields<typeof HttpProtocolOptionsSchema>;

/** What Envoy's documentation advises for a proxy at the edge. */
const EDGE: ConnectionSettings = {
  listenerPerConnectionBufferLimitBytes: 32_768,
  httpIdleTimeout: '1h',
  httpStreamIdleTimeout: '5m',
  httpRequestTimeout: '5m',
  httpRequestHeadersTimeout: '60s',
  httpMaxConcurrentStreams: 100,
  http2InitialStreamWindowSize: 65_536,
  http2InitialConnectionWindowSize: 1_048_576,
  httpHeadersWithUnderscoresAction: 'HEADERS_WITH_UNDERSCORES_REJECT_REQUEST',
  httpMergeSlashes: true,
  httpPathWithEscapedSlashesAction: 'UNESCAPE_AND_REDIRECT',
};

/** The settings that hold: on a gateway, profile EDGE fills in what is not said. */
export function connectionSettingsOf(given: ConnectionSettings | undefined, gateway: boolean): ConnectionSettings {
  if (given === undefined) return {};
  if (given.profile !== 'EDGE' || !gateway) return given;
  const said = Object.entries(given).filter(([, value]) => value !== undefined && !String(value).endsWith('_UNSPECIFIED'));
  return { ...EDGE, ...Object.fromEntries(said) };
}

const UNDERSCORES: Readonly<Record<string, HttpProtocolOptions_HeadersWithUnderscoresAction>> = {
  HEADERS_WITH_UNDERSCORES_ALLOW: HttpProtocolOptions_HeadersWithUnderscoresAction.ALLOW,
  HEADERS_WITH_UNDERSCORES_REJECT_REQUEST: HttpProtocolOptions_HeadersWithUnderscoresAction.REJECT_REQUEST,
  HEADERS_WITH_UNDERSCORES_DROP_HEADER: HttpProtocolOptions_HeadersWithUnderscoresAction.DROP_HEADER,
};

const SLASHES: Readonly<Record<string, HttpConnectionManager_PathWithEscapedSlashesAction>> = {
  KEEP_UNCHANGED: HttpConnectionManager_PathWithEscapedSlashesAction.KEEP_UNCHANGED,
  REJECT_REQUEST: HttpConnectionManager_PathWithEscapedSlashesAction.REJECT_REQUEST,
  UNESCAPE_AND_REDIRECT: HttpConnectionManager_PathWithEscapedSlashesAction.UNESCAPE_AND_REDIRECT,
  UNESCAPE_AND_FORWARD: HttpConnectionManager_PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD,
};

/** The fields of a connection manager that settings decide; they come over the mesh's path normalization. */
export function settingsFields(settings: ConnectionSettings, idleTimeout: DurationFields | undefined): Manager {
  const http2 = {
    ...limit('maxConcurrentStreams', settings.httpMaxConcurrentStreams),
    ...limit('initialStreamWindowSize', settings.http2InitialStreamWindowSize),
    ...limit('initialConnectionWindowSize', settings.http2InitialConnectionWindowSize),
  };
  const underscores = UNDERSCORES[settings.httpHeadersWithUnderscoresAction ?? ''];
  const all: Common = {};
  if (idleTimeout !== undefined) all.idleTimeout = idleTimeout;
  if (settings.httpIdleTimeout !== undefined) all.idleTimeout = duration(settings.httpIdleTimeout);
  if (settings.httpMaxConnectionDuration !== undefined) all.maxConnectionDuration = duration(settings.httpMaxConnectionDuration);
  if (settings.httpMaxStreamDuration !== undefined) all.maxStreamDuration = duration(settings.httpMaxStreamDuration);
  if (underscores !== undefined) all.headersWithUnderscoresAction = underscores;
  const out: Manager = {
    ...optional('streamIdleTimeout', duration(settings.httpStreamIdleTimeout)),
    ...optional('requestTimeout', duration(settings.httpRequestTimeout)),
    ...optional('requestHeadersTimeout', duration(settings.httpRequestHeadersTimeout)),
    ...optional('drainTimeout', duration(settings.httpDrainTimeout)),
    ...optional('mergeSlashes', settings.httpMergeSlashes),
    ...optional('pathWithEscapedSlashesAction', SLASHES[settings.httpPathWithEscapedSlashesAction ?? '']),
  };
  if (Object.keys(all).length > 0) out.commonHttpProtocolOptions = all;
  if (Object.keys(http2).length > 0) out.http2ProtocolOptions = http2;
  return out;
}

function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  // The computed key is the one that the type names.
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

/** Negative numbers mean nothing here. */
function limit<K extends string>(key: K, value: number | undefined): Partial<Record<K, number>> {
  return optional(key, value === undefined || value < 0 ? undefined : value);
}
