import { httpOptions } from '../harness/configuration.ts';
import type { DifferentialFamily, Exchange, Json } from '../harness/family.ts';
import { type OwnClusterCase, ownClusters } from '../harness/own-clusters.ts';
import { Http2FramesPeer } from '../peers/http2-frames-peer.ts';

const peer = new Http2FramesPeer();

interface Scripted extends Omit<OwnClusterCase, 'does' | 'hosts'> {
  /** Words of `Http2FramesPeer`. */
  readonly script: readonly string[];
  readonly does?: Exchange | readonly Exchange[];
  readonly maxStreams?: number;
}

const one: readonly Exchange[] = [{ path: '/1' }];
const two: readonly Exchange[] = [{ path: '/1' }, { path: '/2' }];
const http2 = (options: Json = {}, common: Json = {}): Json =>
  httpOptions({ common_http_protocol_options: common, explicit_http_config: { http2_protocol_options: options } });
const retry = (on: string, times = 1): Json => ({
  retry_policy: { retry_on: on, num_retries: times, retry_back_off: { base_interval: '0.01s' } },
});
const post: readonly Exchange[] = [{ path: '/1', method: 'POST', body: 'data' }];

const resets: readonly Scripted[] = ['no_error', 'protocol', 'internal', 'flow', 'refused', 'cancel', 'calm', 'security', 'http11'].map(
  (code) => ({
    name: `RST_STREAM ${code} before the head`,
    script: [`reset:${code}`, 'ok'],
    does: two,
  }),
);

const cases: readonly Scripted[] = [
  { name: 'one connection', script: ['ok'], does: [...two, { kind: 'http2', path: '/3' }] },
  ...resets,
  ...['refused', 'cancel', 'internal'].map((code) => ({
    name: `RST_STREAM ${code}, retried`,
    script: [`reset:${code}`, 'ok'],
    route: retry('refused-stream,reset'),
    does: post,
  })),
  { name: 'RST_STREAM refused, retry on refused-stream alone', script: ['reset:refused', 'ok'], route: retry('refused-stream') },
  { name: 'RST_STREAM cancel, retry on refused-stream alone', script: ['reset:cancel', 'ok'], route: retry('refused-stream') },
  { name: 'RST_STREAM refused each time', script: ['reset:refused'], route: retry('refused-stream', 2) },
  { name: 'RST_STREAM after the head', script: ['head-reset:cancel', 'ok'], does: two },
  { name: 'RST_STREAM in the body', script: ['half-reset:internal', 'ok'], does: two },
  { name: 'RST_STREAM in the body, HTTP/2 client', script: ['half-reset:internal'], does: { kind: 'http2', path: '/1' } },
  { name: 'RST_STREAM no_error after the answer', script: ['ok-reset:no_error', 'ok'], does: two },
  { name: 'RST_STREAM cancel after the answer', script: ['ok-reset:cancel', 'ok'], does: two },
  { name: 'GOAWAY after an answer', script: ['ok-goaway:no_error', 'ok'], does: two },
  { name: 'GOAWAY with an error after an answer', script: ['ok-goaway:calm', 'ok'], does: two },
  {
    name: 'GOAWAY and then the answer',
    // Whether what the server still writes is read differs.
    ignoreStats: ['upstream_cx_protocol_error'],
    script: ['goaway-ok:no_error', 'ok'],
    does: two,
  },
  { name: 'GOAWAY and close', script: ['goaway-close:no_error', 'ok'], does: two },
  { name: 'GOAWAY with an error and close', script: ['goaway-close:internal', 'ok'], does: two },
  { name: 'close', script: ['close', 'ok'], does: two },
  { name: 'close on the second stream', script: ['ok', 'close', 'ok'], does: [...two, { path: '/3' }] },
  { name: 'TCP reset', script: ['rst', 'ok'], does: two },
  { name: 'close in the body', script: ['half-close', 'ok'], does: two },
  { name: 'close in the body, HTTP/2 client', script: ['half-close'], does: { kind: 'http2', path: '/1' } },
  { name: 'close, retried', script: ['close', 'ok'], route: retry('reset') },
  ...['99', '600', 'abc', '', '2000', '999', '204', '304'].map((status) => ({
    name: `status "${status}"`,
    script: [`status:${status}`, 'ok'],
    does: two,
  })),
  { name: 'no status', script: ['no-status', 'ok'], does: two },
  { name: 'two statuses', script: ['two-status', 'ok'], does: two },
  { name: 'name in upper case', script: ['upper-case', 'ok'], does: two },
  { name: 'connection field', script: ['connection-field', 'ok'], does: two },
  { name: 'transfer-encoding field', script: ['transfer-encoding', 'ok'], does: two },
  { name: 'body shorter than its length', script: ['short', 'ok'], does: two },
  { name: 'body longer than its length', script: ['long', 'ok'], does: two },
  { name: 'trailers', script: ['trailers'], does: [{ kind: 'http2', path: '/1' }, { path: '/2' }] },
  { name: 'pseudo-header in trailers', script: ['bad-trailers', 'ok'], does: two },
  { name: '103', script: ['interim:103'], does: [{ kind: 'http2', path: '/1' }, { path: '/2' }] },
  { name: '100', script: ['interim:100'], does: one },
  { name: '101', script: ['interim:101', 'ok'], does: two },
  { name: '199', script: ['interim:199'], does: one },
  { name: '100 that ends the stream', script: ['interim-end:100', 'ok'], does: two },
  { name: 'body of 50 kB', script: ['large'], does: one },
  { name: 'header block that is no HPACK', script: ['garbage', 'ok'], does: two },
  { name: 'DATA before the head', script: ['data-first', 'ok'], does: two },
  { name: 'HTTP/1 where HTTP/2 is spoken', script: ['text', 'ok'], does: two },
  { name: '99 fields', script: ['many:98'], does: one },
  { name: '102 fields', script: ['many:101', 'ok'], does: two },
  { name: 'max_headers_count', script: ['many:10', 'ok'], cluster: http2({}, { max_headers_count: 5 }), does: two },
  {
    name: 'max_requests_per_connection',
    // Whether what the server still writes is read differs.
    ignoreStats: ['upstream_cx_protocol_error'],
    script: ['ok'],
    cluster: http2({}, { max_requests_per_connection: 2 }),
    does: [...two, { path: '/3' }],
  },
  {
    name: 'idle timeout',
    script: ['ok'],
    cluster: http2({}, { idle_timeout: '0.3s' }),
    does: [{ path: '/1' }, { kind: 'pause', ms: 250 }, { path: '/2' }],
  },
  {
    name: 'max_connection_duration',
    script: ['ok'],
    cluster: http2({}, { max_connection_duration: '0.4s' }),
    does: [{ path: '/1' }, { kind: 'pause', ms: 800 }, { path: '/2' }],
  },
  { name: 'max_stream_duration', script: ['hang'], cluster: http2({}, { max_stream_duration: '0.1s' }), does: one },
  { name: 'timeout', script: ['hang', 'ok'], route: { timeout: '0.1s' }, does: two },
  {
    name: 'per-try timeout, retried',
    script: ['hang', 'ok'],
    route: { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.1s', retry_back_off: { base_interval: '0.01s' } } },
  },
  {
    name: 'client leaves',
    script: ['hang', 'ok'],
    does: [{ path: '/1', abortAfterMs: 60 }, { kind: 'pause', ms: 40 }, { path: '/2' }],
    logs: 2,
  },
  {
    name: 'stream error that ends the connection',
    script: ['two-status', 'ok'],
    cluster: http2({ override_stream_error_on_invalid_http_message: false }),
    does: two,
  },
  {
    name: 'stream error that leaves the connection',
    script: ['two-status', 'ok'],
    cluster: http2({ override_stream_error_on_invalid_http_message: true }),
    does: two,
  },
  { name: 'server allows one stream at a time', script: ['ok'], maxStreams: 1, does: two },
  { name: 'cluster allows one stream at a time', script: ['ok'], cluster: http2({ max_concurrent_streams: 1 }), does: two },
];

const built = ownClusters(
  cases.map(({ script: _script, maxStreams: _maxStreams, does = one, cluster = http2(), ...rest }) => ({
    ...rest,
    cluster,
    does,
    hosts: ['frames'],
    // How fields are compressed is each proxy's own affair.
    ignoreStats: ['upstream_cx_tx_bytes_total', ...(rest.ignoreStats ?? [])],
  })),
);

/** What the HTTP/2 pool and codec do with an upstream that says anything at all; each case has a cluster of its own. */
export const upstreamHttp2: DifferentialFamily = {
  name: 'upstream-http2',
  waits: true,
  about: 'HTTP/2 upstreams: stream errors by code, GOAWAY, broken connections and messages, limits, with statistics and hosts after each',
  ...built,
  peers: { frames: () => peer.start() },
  // The script is set, and what came on which connection is seen, around the exchanges.
  cases: built.cases.map((what, i) => {
    const { does, ignoreLog = [], logs, ...rest } = what;
    const list: readonly Exchange[] = Array.isArray(does) ? does : [does as Exchange];
    return {
      ...rest,
      does: [],
      run: async (proxy) => {
        peer.script(cases[i]?.script ?? [], cases[i]?.maxStreams);
        const answers: unknown[] = [];
        for (const step of list) answers.push(await proxy.exchange(step));
        const requests = list.filter(({ kind }) => kind !== 'admin' && kind !== 'pause').length;
        const log = await proxy.takeLog(logs ?? requests);
        return {
          answers,
          streams: peer.take(),
          log: log.map((line) => Object.fromEntries(Object.entries(line).filter(([key]) => !ignoreLog.includes(key)))),
        };
      },
    };
  }),
};
