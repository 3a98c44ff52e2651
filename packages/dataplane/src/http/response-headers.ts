import type { StreamInfo } from '@xebec/telemetry';
import { type HeaderList, header, type RequestHead, type ResponseHead, setHeader } from '@xebec/wire';
import type { HttpSettings } from './http-settings.ts';
import { addProxyStatus } from './proxy-status.ts';
import { appendVia } from './request-headers.ts';

const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

let dateText = '';
let dateSecond = 0;

/** The `date` header of now; made once a second. */
function currentDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date(second * 1000).toUTCString();
  }
  return dateText;
}

/** The last changes to a response's head: hop-by-hop headers out; `date`, `server`, `via`, the request id and `proxy-status` in. */
export function finishResponseHead(
  head: ResponseHead,
  request: RequestHead,
  settings: HttpSettings,
  info: StreamInfo,
  fromUpstream: boolean,
): void {
  const { headers } = head;
  if (fromUpstream) dropHopByHop(headers, head.status === 101 && request.version !== 'HTTP/2');
  if (header(headers, 'date') === undefined) headers.push('date', currentDate());
  if (settings.serverHeader === 'overwrite') setHeader(headers, 'server', settings.serverName);
  else if (settings.serverHeader === 'append-if-absent' && header(headers, 'server') === undefined)
    headers.push('server', settings.serverName);
  if (settings.via !== '') appendVia(headers, settings.via);
  if (settings.alwaysSetRequestIdInResponse || header(request.headers, 'x-envoy-force-trace') !== undefined) {
    const id = header(request.headers, 'x-request-id');
    if (id !== undefined) setHeader(headers, 'x-request-id', id);
  }
  if (settings.proxyStatus !== undefined) addProxyStatus(head, info, settings.proxyStatus);
}

function dropHopByHop(headers: HeaderList, upgraded: boolean): void {
  const { length } = headers;
  let kept = 0;
  for (let i = 0; i < length; i += 2) {
    const name = headers[i] as string;
    switch (name.charCodeAt(0)) {
      case 99: // c
      case 107: // k
      case 112: // p
      case 116: // t
      case 117: // u
        if (hopByHop.has(name) && !(upgraded && (name === 'upgrade' || name === 'connection'))) continue;
    }
    if (kept !== i) {
      headers[kept] = name;
      headers[kept + 1] = headers[i + 1] as string;
    }
    kept += 2;
  }
  if (kept !== length) headers.length = kept;
}
