import { optionalDurationMs } from '@xebec/matching';
import type { Http2ProtocolOptions, Http2ProtocolOptions_SettingsParameter } from '@xebec/protos/envoy/config/core/v3/protocol';
import type { Http2Options } from '@xebec/wire';

/** Envoy's, where nothing is configured. */
const streamWindowBytes = 16 * 1024 * 1024;
const connectionWindowBytes = 24 * 1024 * 1024;
/** Of each connection's tables of header fields, whatever is asked for. */
const maxTableBytes = 1024 * 1024;

/** What `http2_protocol_options` says to the codec, of either side; without timers, which a codec gets when it is made. */
export type Http2Settings = Omit<Http2Options, 'keepalive' | 'now'> & {
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number };
};

export function http2SettingsOf(proto: Http2ProtocolOptions | undefined): Http2Settings {
  if (proto === undefined) return { initialStreamWindowBytes: streamWindowBytes, initialConnectionWindowBytes: connectionWindowBytes };
  const { maxConcurrentStreams, initialStreamWindowSize, initialConnectionWindowSize, connectionKeepalive } = proto;
  const intervalMs = optionalDurationMs(connectionKeepalive?.interval) ?? 0;
  const timeoutMs = optionalDurationMs(connectionKeepalive?.timeout) ?? 0;
  const resetsInvalidStreams = proto.overrideStreamErrorOnInvalidHttpMessage ?? proto.streamErrorOnInvalidHttpMessaging;
  return {
    ...(resetsInvalidStreams ? { resetsInvalidStreams } : {}),
    ...(maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams }),
    initialStreamWindowBytes: initialStreamWindowSize ?? streamWindowBytes,
    initialConnectionWindowBytes: initialConnectionWindowSize ?? connectionWindowBytes,
    ...(proto.hpackTableSize === undefined ? {} : { headerTableBytes: Math.min(proto.hpackTableSize, maxTableBytes) }),
    ...(proto.customSettingsParameters.length === 0 ? {} : { customSettings: proto.customSettingsParameters.map(customSetting) }),
    ...(intervalMs > 0 && timeoutMs > 0 ? { keepalive: { intervalMs, timeoutMs } } : {}),
  };
}

function customSetting({ identifier, value }: Http2ProtocolOptions_SettingsParameter): readonly [number, number] {
  return [(identifier ?? 0) & 0xffff, value ?? 0];
}

/** The same for a listener's side. `resetsAll` is the connection manager's word for both protocols. */
export function serverHttp2SettingsOf(proto: Http2ProtocolOptions | undefined, resetsAll: boolean): Http2Settings {
  const settings = http2SettingsOf(proto);
  const resets = proto?.overrideStreamErrorOnInvalidHttpMessage ?? (resetsAll || settings.resetsInvalidStreams === true);
  return { ...settings, allowExtendedConnect: proto?.allowConnect ?? false, closesOnInvalidRequest: !resets };
}
