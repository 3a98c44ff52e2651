import { isHttp, isHttp2, type Protocol } from '@xebec/model';
import { PreserveCaseFormatterConfigSchema } from '@xebec/protos/envoy/extensions/http/header_formatters/preserve_case/v3/preserve_case';
import { HttpProtocolOptionsSchema } from '@xebec/protos/envoy/extensions/upstreams/http/v3/http_protocol_options';
import type { ClientTls, ConnectionPool } from '@xebec/schemas';
import { type Fields, pack, typedExtension } from '../envoy/any.ts';
import { duration } from '../envoy/duration.ts';

export const HTTP_PROTOCOL_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

type Options = Fields<typeof HttpProtocolOptionsSchema>;
type Upstream = NonNullable<Options['upstreamProtocolOptions']>;

export interface ProtocolOptionsView {
  readonly protocol: Protocol;
  /** Sniffing goes on upstream with what the caller spoke; gateways do not sniff. */
  readonly sniffs: boolean;
  /** The mesh's `h2UpgradePolicy`. */
  readonly upgrade: boolean;
  /** HTTP/1 header names keep their case (`proxyHeaders.preserveHttp1HeaderCase`). */
  readonly preserveCase: boolean;
  /** Statuses that outlier detection counts as failures, where they are not Envoy's own. */
  readonly errorCodes?: readonly number[];
}

/** Whether a cluster always speaks HTTP/2, so that its TLS offers nothing else. */
export function speaksHttp2(pool: ConnectionPool | undefined, view: ProtocolOptionsView): boolean {
  const upstream = upstreamProtocol(pool, view);
  return upstream?.case === 'explicitHttpConfig' && upstream.value.protocolConfig?.case === 'http2ProtocolOptions';
}

/** Envoy's protocol options of a cluster, packed by their name; nothing where the defaults hold. */
export function protocolOptions(
  pool: ConnectionPool | undefined,
  tls: ClientTls | undefined,
  view: ProtocolOptionsView,
): { typedExtensionProtocolOptions?: Record<string, ReturnType<typeof pack>> } {
  const common = commonOptions(pool);
  const upstream = upstreamProtocol(pool, view);
  const names = serverNames(tls);
  const outlier = outlierMatcher(view.errorCodes ?? []);
  if (common === undefined && upstream === undefined && names === undefined && outlier === undefined) return {};
  const options: Options = {
    ...(common === undefined ? {} : { commonHttpProtocolOptions: common }),
    ...(names === undefined ? {} : { upstreamHttpProtocolOptions: names }),
    ...(outlier === undefined ? {} : { outlierDetection: outlier }),
    upstreamProtocolOptions: upstream ?? {
      case: 'explicitHttpConfig',
      value: { protocolConfig: { case: 'httpProtocolOptions', value: {} } },
    },
  };
  return { typedExtensionProtocolOptions: { [HTTP_PROTOCOL_OPTIONS]: pack(HttpProtocolOptionsSchema, options) } };
}

function commonOptions(pool: ConnectionPool | undefined): Options['commonHttpProtocolOptions'] | undefined {
  const { http, tcp } = pool ?? {};
  const idle = http?.idleTimeout ?? tcp?.idleTimeout;
  const perConnection = http?.maxRequestsPerConnection ?? 0;
  const said = idle !== undefined || tcp?.maxConnectionDuration !== undefined || perConnection > 0;
  if (!said && (http?.maxConcurrentStreams ?? 0) <= 0 && http?.http2KeepAlive === undefined) return undefined;
  return {
    ...(idle === undefined ? {} : { idleTimeout: duration(idle) }),
    ...(tcp?.maxConnectionDuration === undefined ? {} : { maxConnectionDuration: duration(tcp.maxConnectionDuration) }),
    ...(perConnection <= 0 ? {} : { maxRequestsPerConnection: perConnection }),
  };
}

function explicitHttp2(pool: ConnectionPool | undefined, view: ProtocolOptionsView): boolean {
  const http = pool?.http;
  if (isHttp2(view.protocol)) return true;
  if (http?.useClientProtocol === true || http?.h2UpgradePolicy === 'DO_NOT_UPGRADE') return false;
  if (http?.h2UpgradePolicy === 'UPGRADE') return true;
  return view.upgrade && isHttp(view.protocol);
}

function upstreamProtocol(pool: ConnectionPool | undefined, view: ProtocolOptionsView): Upstream | undefined {
  const http = pool?.http;
  const http1 = view.preserveCase && (isHttp(view.protocol) || view.protocol === 'auto') ? PRESERVE_CASE : {};
  if (http?.useClientProtocol === true || (view.sniffs && view.protocol === 'auto'))
    return {
      case: 'useDownstreamProtocolConfig',
      value: { httpProtocolOptions: isHttp2(view.protocol) ? {} : http1, http2ProtocolOptions: {} },
    };
  // Header case is a matter of HTTP/1, and it was settled before an upgrade could be.
  if (http1 === PRESERVE_CASE && !isHttp2(view.protocol))
    return { case: 'explicitHttpConfig', value: { protocolConfig: { case: 'httpProtocolOptions', value: http1 } } };
  if (!explicitHttp2(pool, view)) return undefined;
  return { case: 'explicitHttpConfig', value: { protocolConfig: { case: 'http2ProtocolOptions', value: http2Options(pool) } } };
}

function http2Options(pool: ConnectionPool | undefined) {
  const http = pool?.http;
  const streams = http?.maxConcurrentStreams ?? 0;
  const keepalive = http?.http2KeepAlive;
  const interval = duration(keepalive?.interval);
  const timeout = duration(keepalive?.timeout);
  return {
    ...(streams <= 0 ? {} : { maxConcurrentStreams: streams }),
    ...(keepalive === undefined
      ? {}
      : { connectionKeepalive: { ...(interval === undefined ? {} : { interval }), ...(timeout === undefined ? {} : { timeout }) } }),
  };
}

/** A response with one of these statuses is a failure of its host. */
function outlierMatcher(codes: readonly number[]): Options['outlierDetection'] | undefined {
  const rules = codes.map((code) => ({
    rule: {
      case: 'httpResponseHeadersMatch' as const,
      value: {
        headers: [
          {
            name: ':status',
            headerMatchSpecifier: {
              case: 'stringMatch' as const,
              value: { matchPattern: { case: 'exact' as const, value: String(code) } },
            },
          },
        ],
      },
    },
  }));
  const [first, ...more] = rules;
  if (first === undefined) return undefined;
  return { errorMatcher: more.length === 0 ? first : { rule: { case: 'orMatch', value: { rules } } } };
}

/** Without a server name or names to check, both follow the host of the request. */
function serverNames(tls: ClientTls | undefined): Options['upstreamHttpProtocolOptions'] | undefined {
  if (tls?.mode !== 'SIMPLE' && tls?.mode !== 'MUTUAL') return undefined;
  const autoSni = tls.sni === undefined || tls.sni === '';
  if (!autoSni) return undefined;
  const verifies = (tls.subjectAltNames ?? []).length === 0 && tls.insecureSkipVerify !== true;
  return { autoSni, ...(verifies ? { autoSanValidation: true } : {}) };
}

/** HTTP/1 options of a connection that keeps the case of header names. */
export const PRESERVE_CASE = {
  headerKeyFormat: {
    headerFormat: {
      case: 'statefulFormatter' as const,
      value: typedExtension('preserve_case', PreserveCaseFormatterConfigSchema, { forwardReasonPhrase: false }),
    },
  },
};
