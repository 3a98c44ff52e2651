import { header, type RequestHead, type ResponseHead } from '@xebec/wire';
import type { AttemptFailure } from '../http/retry-policy.ts';
import { type AttemptOwner, UpstreamAttempt } from '../http/upstream-attempt.ts';
import type { Tunneling } from './tcp-proxy-config.ts';
import type { ConnectParts, TcpUpstream, TcpUpstreamOwner } from './tcp-upstream.ts';

/** `filterState` keys under which Envoy leaves what the tunnel's far end answered. */
const responseHeadersKey = 'envoy.tcp_proxy.propagate_response_headers';
const responseTrailersKey = 'envoy.tcp_proxy.propagate_response_trailers';

/** Connects by CONNECT or POST over the cluster's HTTP connections: HTTP/1.1, or HTTP/2 where the cluster speaks it. */
export function connectTunnel(parts: ConnectParts, tunneling: Tunneling, owner: TcpUpstreamOwner): { abandon(): void } {
  const { cluster, host, info } = parts;
  const pool = cluster.httpPool(host, 'http1', undefined, undefined, false);
  let established = false;
  let done = false;
  const fail = (reason: string): void => {
    if (done) return;
    done = true;
    owner.onFailed(reason);
  };
  const close = (reset: boolean): void => {
    if (done) return;
    done = true;
    owner.onClosed(reset);
  };
  const finish = (): void => {
    owner.onEnd();
    close(false);
  };
  const stream: AttemptOwner = {
    onConnected(current) {
      info.upstreamLocalAddress = current.connection?.localAddress ?? '';
      current.sendHead(requestHead(parts, tunneling, current.connection?.protocol === 'http2'), false);
    },
    onInterim: () => undefined,
    onResponseHead(current, head, endStream) {
      keepHeaders(parts, tunneling, head);
      if (head.status < 200 || head.status > 299) {
        current.cancel();
        fail(`tunnel_response:${head.status}`);
        return;
      }
      established = true;
      owner.onConnected(upstreamOf(current));
      if (endStream) finish();
    },
    onResponseData(_, data, endStream) {
      if (done) return;
      if (data.length > 0) owner.onData(data);
      if (endStream) finish();
    },
    onResponseTrailers(_, trailers) {
      if (tunneling.propagatesResponseTrailers) info.filterState.set(responseTrailersKey, trailers);
      finish();
    },
    onFailure(_, reason, detail) {
      if (established) close(reason !== 'connection-termination');
      else if (reason === 'overflow') {
        done = true;
        owner.onOverflow();
      } else fail(failureText(reason, detail));
    },
    onUpstreamDrain: () => owner.onDrain(),
  };
  const attempt = new UpstreamAttempt(stream, cluster, host, pool, cluster.limits);
  const upstreamOf = (current: UpstreamAttempt): TcpUpstream => ({
    bytes: current.bytes,
    write: (bytes) => current.sendData(bytes, false),
    end() {
      // A tunnel over HTTP/1.1 does not end one way and go on the other: Envoy closes it.
      if (current.connection?.protocol === 'http2') current.sendData(Buffer.alloc(0), true);
      else {
        current.cancel();
        finish();
      }
    },
    destroy() {
      done = true;
      current.cancel();
    },
    pause: () => current.pause(),
    resume: () => current.resume(),
  });
  attempt.start();
  return {
    abandon() {
      done = true;
      attempt.cancel();
    },
  };
}

function requestHead({ info }: ConnectParts, tunneling: Tunneling, http2: boolean): RequestHead {
  const authority = tunneling.hostname.format({ info });
  const post = tunneling.method === 'POST';
  const head: RequestHead = {
    method: tunneling.method,
    path: post ? tunneling.path : '',
    authority,
    scheme: post ? 'http' : '',
    version: http2 ? 'HTTP/2' : 'HTTP/1.1',
    headers: post && !http2 ? ['transfer-encoding', 'chunked'] : [],
  };
  tunneling.headers?.(head, { info });
  return head;
}

function keepHeaders({ info }: ConnectParts, tunneling: Tunneling, head: ResponseHead): void {
  if (tunneling.propagatesResponseHeaders && header(head.headers, ':status') === undefined) {
    info.filterState.set(responseHeadersKey, head.headers);
  }
}

function failureText(reason: AttemptFailure, detail: string): string {
  return reason === 'connection-timeout' ? '' : detail;
}
