import { XebecError } from '@xebec/core';
import { optionalDurationMs } from '@xebec/matching';
import type { HttpService } from '@xebec/protos/envoy/config/core/v3/http_service';

/** Where an exporter posts to: a path and host on hosts of a cluster. */
export interface HttpTarget {
  readonly cluster: string;
  readonly scheme: string;
  readonly authority: string;
  /** With query. */
  readonly path: string;
  /** Undefined leaves it to the exporter. */
  readonly timeoutMs: number | undefined;
  /** Names in lower case and values in turn, to be added to each request. */
  readonly headers: readonly string[];
}

/** Reads `core.v3.HttpService`; throws XebecError with the code and with `where` before the field. */
export function httpTarget(
  { httpUri, requestHeadersToAdd }: HttpService,
  where: string,
  code: 'E_CONFIG' | 'E_ACCESS_LOG' = 'E_CONFIG',
): HttpTarget {
  if (httpUri === undefined || !URL.canParse(httpUri.uri))
    throw new XebecError(code, `${where}.http_uri.uri "${httpUri?.uri ?? ''}" is not a URL`);
  const cluster = httpUri.httpUpstreamType.value ?? '';
  if (cluster === '') throw new XebecError(code, `${where}.http_uri.cluster is empty`);
  const url = new URL(httpUri.uri);
  return {
    cluster,
    scheme: url.protocol.slice(0, -1),
    authority: url.host,
    path: `${url.pathname}${url.search}`,
    timeoutMs: optionalDurationMs(httpUri.timeout),
    headers: requestHeadersToAdd.flatMap(({ header }) => (header === undefined ? [] : [header.key.toLowerCase(), header.value])),
  };
}
