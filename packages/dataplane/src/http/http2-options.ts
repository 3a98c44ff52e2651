import { optionalDurationMs } from '@xebec/matching';
import type { Http2ProtocolOptions, Http2ProtocolOptions_SettingsParameter } from '@xebec/protos/envoy/config/core/v3/protocol';
import type { Http2Options } from '@xebec/wire';

/** Envoy's, where nothing is configured. */
const defaults = {
  initialStreamWindowBytes: 16 * 1024 * 1024,
  initialConnectionWindowBytes: 24 * 1024 * 1024,
  maxConcurrentStreams: 1024,
  allowExtendedConnect: false,
};
/** Of each connection's tables of header fields, whatever is asked for. */
const maxTableBytes = 1024 * 1024;

/** What `http2_protocol_options` says to the codec, of either side; without timers, which a codec gets when it is made. */
export type Http2Settings = Omit<Http2Options, 'keepalive' | 'now'> & {
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number };
};

export function http2SettingsOf(proto: Http2ProtocolOptions | undefined): Http2Settings {
  if (proto === undefined) return defaults;
  const { maxConcurrentStreams, initialStreamWindowSize, initialConnectionWindowSize, connectionKeepalive } = proto;
  const intervalMs = optionalDurationMs(connectionKeepalive?.interval) ?? 0;
  const timeoutMs = optionalDurationMs(connectionKeepalive?.timeout) ?? 0;
  const resetsInvalidStreams = proto.overrideStreamErrorOnInvalidHttpMessage ?? proto.streamErrorOnInvalidHttpMessaging;
  return {
    ...(resetsInvalidStreams ? { resetsInvalidStreams } : {}),
    maxConcurrentStreams: maxConcurrentStreams ?? defaults.maxConcurrentStreams,
    allowExtendedConnect: proto.allowConnect,
    initialStreamWindowBytes: initialStreamWindowSize ?? defaults.initialStreamWindowBytes,
    initialConnectionWindowBytes: initialConnectionWindowSize ?? defaults.initialConnectionWindowBytes,
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
  return { ...settings, closesOnInvalidRequest: !resets };
}
