import { optionalDurationMs } from '@xebec/matching';
import type { Http2ProtocolOptions } from '@xebec/protos/envoy/config/core/v3/protocol';
import type { Http2Options } from '@xebec/wire';

/** What `http2_protocol_options` says to the codec, of either side; without timers, which a codec gets when it is made. */
export type Http2Settings = Omit<Http2Options, 'keepalive' | 'now'> & {
  readonly keepalive?: { readonly intervalMs: number; readonly timeoutMs: number };
};

export function http2SettingsOf(proto: Http2ProtocolOptions | undefined): Http2Settings {
  if (proto === undefined) return {};
  const { maxConcurrentStreams, initialStreamWindowSize, initialConnectionWindowSize, connectionKeepalive } = proto;
  const intervalMs = optionalDurationMs(connectionKeepalive?.interval) ?? 0;
  const timeoutMs = optionalDurationMs(connectionKeepalive?.timeout) ?? 0;
  const resetsInvalidStreams = proto.overrideStreamErrorOnInvalidHttpMessage ?? proto.streamErrorOnInvalidHttpMessaging;
  return {
    ...(resetsInvalidStreams ? { resetsInvalidStreams } : {}),
    ...(maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams }),
    ...(initialStreamWindowSize === undefined ? {} : { initialStreamWindowBytes: initialStreamWindowSize }),
    ...(initialConnectionWindowSize === undefined ? {} : { initialConnectionWindowBytes: initialConnectionWindowSize }),
    ...(intervalMs > 0 && timeoutMs > 0 ? { keepalive: { intervalMs, timeoutMs } } : {}),
  };
}

/** The same for a listener's side. `resetsAll` is the connection manager's word for both protocols. */
export function serverHttp2SettingsOf(proto: Http2ProtocolOptions | undefined, resetsAll: boolean): Http2Settings {
  const settings = http2SettingsOf(proto);
  const resets = proto?.overrideStreamErrorOnInvalidHttpMessage ?? (resetsAll || settings.resetsInvalidStreams === true);
  return { ...settings, allowExtendedConnect: proto?.allowConnect ?? false, closesOnInvalidRequest: !resets };
}
