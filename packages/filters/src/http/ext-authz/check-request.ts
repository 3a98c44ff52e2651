import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { CheckRequestSchema } from '@xebec/protos/envoy/service/auth/v3/external_auth';
import type { StreamInfo } from '@xebec/telemetry';
import { headerJoined, type RequestHead } from '@xebec/wire';
import { checkMetadata, checkParties } from '../../ext-authz/check-attributes.ts';

export interface CheckRequestOptions {
  readonly allowsHeader: (name: string) => boolean;
  readonly contextExtensions: Readonly<Record<string, string>>;
  /** Dynamic metadata of these filters goes along. */
  readonly metadataNamespaces: readonly string[];
  readonly includePeerCertificate: boolean;
  readonly includeTlsSession: boolean;
  readonly packAsBytes: boolean;
}

/** The bytes of an `envoy.service.auth.v3.CheckRequest`. `body` is undefined when the configuration wants none. */
export function encodeCheckRequest(
  request: RequestHead,
  info: StreamInfo,
  body: Buffer | undefined,
  partial: boolean,
  stream: { readonly received: number; readonly id: string },
  options: CheckRequestOptions,
): Uint8Array {
  const { connection } = info;
  const headers: Record<string, string> = {};
  const add = (name: string, value: string): void => {
    if (options.allowsHeader(name)) headers[name] = value;
  };
  add(':method', request.method);
  add(':path', request.path);
  add(':authority', request.authority);
  add(':scheme', request.scheme);
  for (let i = 0; i < request.headers.length; i += 2) {
    const name = request.headers[i] ?? '';
    if (!Object.hasOwn(headers, name)) add(name, headerJoined(request.headers, name) ?? '');
  }
  if (body !== undefined) headers['x-envoy-auth-partial-body'] = String(partial);
  const message = create(CheckRequestSchema, {
    attributes: {
      ...checkParties(connection, options.includePeerCertificate),
      request: {
        time: timestampFromMs(info.startTimeMs),
        http: {
          id: stream.id,
          method: request.method,
          headers,
          path: request.path,
          host: request.authority,
          scheme: request.scheme,
          size: BigInt(stream.received),
          protocol: request.version === 'HTTP/2' ? 'HTTP/2' : request.version,
          body: body === undefined || options.packAsBytes ? '' : body.toString(),
          rawBody: body !== undefined && options.packAsBytes ? body : new Uint8Array(),
        },
      },
      contextExtensions: { ...options.contextExtensions },
      metadataContext: { filterMetadata: checkMetadata(info, options.metadataNamespaces) },
      routeMetadataContext: {},
      ...(options.includeTlsSession ? { tlsSession: { sni: connection.requestedServerName } } : {}),
    },
  });
  return toBinary(CheckRequestSchema, message);
}
