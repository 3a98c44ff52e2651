import type { StreamInfo } from '@xebec/telemetry';
import { type RequestHead, type ResponseHead, removeHeader } from '@xebec/wire';
import { FilterChain, type FilteredStream } from './filter-chain.ts';
import type { HttpSettings } from './http-settings.ts';

const nothing = (): void => undefined;

/**
 * The answer to what the codec could not make a request of, as the response filters leave it: they know nothing of the request, and
 * there is no route. What a filter holds back goes out as it was given. `complete` tells them that it has gone out.
 */
export function throughFilters(
  response: ResponseHead,
  body: Buffer,
  settings: HttpSettings,
  info: StreamInfo,
): { readonly response: ResponseHead; readonly body: Buffer; readonly complete: () => void } {
  const request: RequestHead = { method: '', path: '', authority: '', scheme: '', headers: [], version: 'HTTP/1.1' };
  const sent: Buffer[] = [];
  const stream: FilteredStream = {
    info,
    request,
    response,
    settings,
    done: false,
    answered: true,
    findRoute: () => undefined,
    forgetRoute: nothing,
    clusterChoice: () => ({ name: '', index: -1, metadataMatch: undefined }),
    sendLocalReply: nothing,
    after: () => nothing,
    pauseRequest: nothing,
    resumeRequest: nothing,
    pauseResponse: nothing,
    resumeResponse: nothing,
    routeHead: nothing,
    routeData: nothing,
    routeTrailers: nothing,
    sendHead: nothing,
    sendData: (data) => void sent.push(data),
    sendTrailers: nothing,
  };
  const chain = new FilterChain(stream);
  // Filters go by it; the codec writes its own.
  if (body.length > 0) response.headers.push('content-length', String(body.length));
  chain.onResponseHead(response, body.length === 0);
  if (body.length > 0) chain.onResponseData(body, true);
  removeHeader(response.headers, 'content-length');
  return { response, body: sent.length === 0 ? body : Buffer.concat(sent), complete: () => chain.onComplete() };
}
