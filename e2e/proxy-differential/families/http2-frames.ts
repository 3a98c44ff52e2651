import { connect } from 'node:net';
import { cluster, httpConnectionManager, httpOptions, listener, standardClusters, virtualHost } from '../harness/configuration.ts';
import type { DifferentialCase, DifferentialFamily, Field, Json, Reply } from '../harness/family.ts';
import { flags, frame, frameType, headerBlock, logFrames, preface, settingsFrame, uint32 } from '../harness/http2-frames.ts';
import { known } from './known/http2-frames.ts';

/** Milliseconds to wait, or a line of the log to wait for, or bytes to write. */
type Step = Buffer | number | string;

interface Scripted {
  readonly name: string;
  readonly to?: string;
  readonly steps: readonly Step[];
  readonly replies?: Reply | readonly Reply[];
  /** Awaited at the end: a line's beginning. */
  readonly until?: string;
  /** How long it is waited for. */
  readonly ms?: number;
  /** SETTINGS of the client. */
  readonly settings?: readonly (readonly [number, number])[];
  /** Log lines awaited. 1. */
  readonly logs?: number;
  /** The first frames of the proxy are shown. Only where they are the subject. */
  readonly greeting?: boolean;
  /** WINDOW_UPDATE frames are shown. */
  readonly windows?: boolean;
  readonly rawPreface?: string;
}

const managers: Readonly<Record<string, Json>> = {
  http: { http2_protocol_options: {} },
  'h2-only': { codec_type: 'HTTP2' },
  'h1-only': { codec_type: 'HTTP1' },
  override: { http2_protocol_options: { override_stream_error_on_invalid_http_message: true } },
  windows: { http2_protocol_options: { initial_stream_window_size: 65_535, initial_connection_window_size: 65_535 } },
  large: { http2_protocol_options: { initial_stream_window_size: 1_000_000, initial_connection_window_size: 2_000_000 } },
  streams: { http2_protocol_options: { max_concurrent_streams: 2 } },
  table: { http2_protocol_options: { hpack_table_size: 0 } },
  connects: { http2_protocol_options: { allow_connect: true } },
  headers: { common_http_protocol_options: { max_headers_count: 10 }, max_request_headers_kb: 8 },
  custom: { http2_protocol_options: { custom_settings_parameters: [{ identifier: 99, value: 7 }] } },
  keepalive: { http2_protocol_options: { connection_keepalive: { interval: '0.1s', timeout: '0.1s', interval_jitter: { value: 0 } } } },
  timeouts: { stream_idle_timeout: '0.15s' },
  overall: { request_timeout: '0.15s' },
  limited: { common_http_protocol_options: { max_requests_per_connection: 2 } },
  idle: { common_http_protocol_options: { idle_timeout: '0.15s' } },
};

const fields = (path = '/a', more: readonly Field[] = []): Field[] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':authority', 'app.example'],
  [':path', path],
  ...more,
];
const request = (list: readonly Field[] = fields(), stream = 1, flag: number = flags.end | flags.endHeaders): Buffer =>
  frame(frameType.headers, flag, stream, headerBlock(list));
const post = (path = '/a', stream = 1, more: readonly Field[] = []): Buffer =>
  request([[':method', 'POST'], ...fields(path, more).slice(1)], stream, flags.endHeaders);
const data = (text: string | Buffer, stream = 1, flag = 0): Buffer => frame(frameType.data, flag, stream, text);
const end = (stream = 1): Buffer => data('', stream, flags.end);
const rst = (code: number, stream = 1): Buffer => frame(frameType.reset, 0, stream, uint32(code));
const big = 'x'.repeat(200_000);
const ok: Reply = { body: 'ok' };

const rules: readonly (readonly [string, readonly Field[]])[] = [
  ['no method', fields().slice(1)],
  ['no scheme', fields().filter(([name]) => name !== ':scheme')],
  ['no path', fields().filter(([name]) => name !== ':path')],
  ['empty path', fields('')],
  ['path without slash', fields('a')],
  ['path *', fields('*')],
  ['OPTIONS *', [[':method', 'OPTIONS'], ...fields('*').slice(1)]],
  ['no authority', fields().filter(([name]) => name !== ':authority')],
  ['host instead of authority', [...fields().filter(([name]) => name !== ':authority'), ['host', 'app.example']]],
  ['host and authority', fields('/a', [['host', 'app.example']])],
  ['host differs from authority', fields('/a', [['host', 'other.example']])],
  ['empty authority', fields().map(([name, value]) => [name, name === ':authority' ? '' : value])],
  ['authority with user', fields().map(([name, value]) => [name, name === ':authority' ? 'me@app.example' : value])],
  ['authority with a space', fields().map(([name, value]) => [name, name === ':authority' ? 'app example' : value])],
  ['two methods', [[':method', 'GET'], ...fields()]],
  ['two paths', [...fields(), [':path', '/b']]],
  ['two authorities', [...fields(), [':authority', 'other.example']]],
  ['pseudo-header after a field', [...fields().slice(0, 3), ['x-a', '1'], [':path', '/a']]],
  ['unknown pseudo-header', [...fields(), [':unknown', '1']]],
  [':status in a request', [...fields(), [':status', '200']]],
  ['scheme ftp', fields().map(([name, value]) => [name, name === ':scheme' ? 'ftp' : value])],
  ['scheme in upper case', fields().map(([name, value]) => [name, name === ':scheme' ? 'HTTP' : value])],
  ['scheme https', fields().map(([name, value]) => [name, name === ':scheme' ? 'https' : value])],
  ['scheme that is none', fields().map(([name, value]) => [name, name === ':scheme' ? '1 2' : value])],
  ['method in lower case', fields().map(([name, value]) => [name, name === ':method' ? 'get' : value])],
  ['method that is none', fields().map(([name, value]) => [name, name === ':method' ? 'G T' : value])],
  ['empty method', fields().map(([name, value]) => [name, name === ':method' ? '' : value])],
  ['name in upper case', fields('/a', [['X-Upper', '1']])],
  ['empty name', fields('/a', [['', '1']])],
  ['name with a space', fields('/a', [['x a', '1']])],
  ['name with a colon', fields('/a', [['x:a', '1']])],
  ['value with NUL', fields('/a', [['x-a', 'a\0b']])],
  ['value with CR LF', fields('/a', [['x-a', 'a\r\nb: c']])],
  ['value with a tab', fields('/a', [['x-a', 'a\tb']])],
  ['value with space at its end', fields('/a', [['x-a', ' a ']])],
  ['value in Latin-1', fields('/a', [['x-a', 'caf\xe9']])],
  ['value with DEL', fields('/a', [['x-a', 'a\x7fb']])],
  ['empty value', fields('/a', [['x-a', '']])],
  ['te: trailers', fields('/a', [['te', 'trailers']])],
  ['te: gzip', fields('/a', [['te', 'gzip']])],
  ['te: trailers, gzip', fields('/a', [['te', 'trailers, gzip']])],
  ['connection: close', fields('/a', [['connection', 'close']])],
  ['connection: x', fields('/a', [['connection', 'x']])],
  ['keep-alive', fields('/a', [['keep-alive', '5']])],
  ['proxy-connection', fields('/a', [['proxy-connection', 'keep-alive']])],
  ['transfer-encoding: chunked', fields('/a', [['transfer-encoding', 'chunked']])],
  ['upgrade: h2c', fields('/a', [['upgrade', 'h2c']])],
  ['http2-settings', fields('/a', [['http2-settings', 'AAMAAABkAAQAAP__']])],
  [
    'cookie crumbs',
    fields('/a', [
      ['cookie', 'a=1'],
      ['cookie', 'b=2'],
      ['cookie', 'c=3'],
    ]),
  ],
  [
    'two fields of one name',
    fields('/a', [
      ['x-a', '1'],
      ['x-a', '2'],
    ]),
  ],
  ['content-length: 0', fields('/a', [['content-length', '0']])],
  ['content-length without a body', fields('/a', [['content-length', '5']])],
  ['content-length that is none', fields('/a', [['content-length', 'five']])],
  [
    'two content-lengths',
    fields('/a', [
      ['content-length', '0'],
      ['content-length', '0'],
    ]),
  ],
  ['content-length +0', fields('/a', [['content-length', '+0']])],
  ['expect: 100-continue', fields('/a', [['expect', '100-continue']])],
  ['expect: other', fields('/a', [['expect', 'other']])],
  ['path with a fragment', fields('/a#b')],
  ['path with a space', fields('/a b')],
  ['path in Latin-1', fields('/caf\xe9')],
  ['path with a query', fields('/a?b=c?d')],
  ['path that is a URL', fields('http://app.example/a')],
  ['priority field', fields('/a', [['priority', 'u=1']])],
];

const cases: readonly Scripted[] = [
  ...['http', 'h2-only', 'windows', 'large', 'streams', 'table', 'connects', 'headers', 'custom'].map(
    (to): Scripted => ({ name: `greeting of ${to}`, to, steps: [], greeting: true, windows: true, until: 'SETTINGS ack', logs: 0 }),
  ),
  {
    name: 'greeting before the client speaks',
    rawPreface: '',
    to: 'h2-only',
    steps: [],
    greeting: true,
    windows: true,
    ms: 50,
    until: 'none',
    logs: 0,
  },
  ...rules.flatMap(([name, list]): Scripted[] => [
    { name, steps: [request(list)], ms: 300 },
    { name: `${name}, streams alone`, to: 'override', steps: [request(list)] },
  ]),
  ...rules
    .filter(([name]) => /te:|connection|cookie|host|two fields|scheme|no path|expect|content-length: 0|value/.test(name))
    .map(
      ([name, list]): Scripted => ({
        name: `${name} to HTTP/2`,
        to: 'override',
        steps: [request(list.map(([key, value]) => [key, key === ':path' ? '/h2' : value]))],
      }),
    ),
  { name: 'body', steps: [post(), data('hello', 1, flags.end)] },
  { name: 'body with its length', steps: [post('/a', 1, [['content-length', '5']]), data('hello', 1, flags.end)] },
  {
    name: 'body shorter than its length',
    to: 'override',
    steps: [post('/a', 1, [['content-length', '9']]), 40, data('hello', 1, flags.end)],
  },
  {
    name: 'body longer than its length',
    to: 'override',
    steps: [post('/a', 1, [['content-length', '2']]), 40, data('hello', 1, flags.end)],
  },
  {
    name: 'body shorter than its length, all',
    steps: [post('/a', 1, [['content-length', '9']]), 40, data('hello', 1, flags.end)],
    ms: 300,
  },
  { name: 'padded body', steps: [post(), frame(frameType.data, flags.padded | flags.end, 1, Buffer.from('\x03hello\0\0\0'))] },
  {
    name: 'padding longer than the frame',
    steps: [post(), frame(frameType.data, flags.padded | flags.end, 1, Buffer.from('\x09hello'))],
    ms: 300,
  },
  { name: 'empty DATA frames', steps: [post(), data(''), data('a'), data(''), end()] },
  { name: 'trailers', steps: [post(), data('a'), request([['x-t', '1']])] },
  { name: 'trailers to HTTP/2', steps: [post('/h2'), data('a'), request([['x-t', '1']])] },
  { name: 'trailers with a pseudo-header', to: 'override', steps: [post(), data('a'), request([[':path', '/b']])] },
  { name: 'trailers without END_STREAM', to: 'override', steps: [post(), data('a'), 40, request([['x-t', '1']], 1, flags.endHeaders)] },
  {
    name: 'HEADERS with padding and priority',
    steps: [frame(frameType.headers, 45, 1, Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 9]), headerBlock(fields()), Buffer.alloc(2)]))],
  },
  {
    name: 'stream that depends on itself',
    steps: [frame(frameType.headers, 37, 1, Buffer.concat([uint32(1), Buffer.of(9), headerBlock(fields())]))],
    ms: 300,
  },
  {
    name: 'CONTINUATION',
    steps: [
      frame(frameType.headers, 1, 1, headerBlock(fields()).subarray(0, 20)),
      frame(frameType.continuation, 4, 1, headerBlock(fields()).subarray(20)),
    ],
  },
  { name: 'CONTINUATION of nothing', steps: [frame(frameType.headers, 1, 1, headerBlock(fields())), frame(frameType.continuation, 4, 1)] },
  {
    name: 'frame inside a header block',
    steps: [frame(frameType.headers, 1, 1, headerBlock(fields())), frame(frameType.ping, 0, 0, '12345678')],
    ms: 300,
  },
  {
    name: '100 fields',
    steps: [
      request(
        fields(
          '/a',
          Array.from({ length: 96 }, (_, i): Field => [`x-${i}`, 'v']),
        ),
      ),
    ],
  },
  {
    name: '110 fields',
    steps: [
      request(
        fields(
          '/a',
          Array.from({ length: 106 }, (_, i): Field => [`x-${i}`, 'v']),
        ),
      ),
    ],
    ms: 300,
  },
  {
    name: 'max_headers_count',
    to: 'headers',
    steps: [
      request(
        fields(
          '/a',
          Array.from({ length: 10 }, (_, i): Field => [`x-${i}`, 'v']),
        ),
      ),
    ],
    ms: 300,
  },
  { name: 'max_request_headers_kb', to: 'headers', steps: [request(fields('/a', [['x-a', 'v'.repeat(9000)]]))], ms: 300 },
  { name: 'no HPACK', steps: [frame(frameType.headers, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))], ms: 300 },
  { name: 'unknown frame', steps: [frame(0x42, 0xff, 0, 'what'), request()] },
  { name: 'PRIORITY', steps: [frame(frameType.priority, 0, 3, Buffer.concat([uint32(0), Buffer.of(1)])), request()] },
  { name: 'PING', steps: [frame(frameType.ping, 0, 0, '12345678')], until: 'PING ack', logs: 0 },
  { name: 'PING of 7 bytes', steps: [frame(frameType.ping, 0, 0, '1234567')], ms: 300, until: 'none', logs: 0 },
  { name: 'SETTINGS of 5 bytes', steps: [frame(frameType.settings, 0, 0, '12345')], ms: 300, until: 'none', logs: 0 },
  {
    name: 'PUSH_PROMISE',
    steps: [frame(frameType.push, 4, 1, Buffer.concat([uint32(2), headerBlock(fields())]))],
    ms: 300,
    until: 'none',
    logs: 0,
  },
  { name: 'WINDOW_UPDATE of 0', steps: [frame(frameType.window, 0, 0, uint32(0))], ms: 300, until: 'none', logs: 0 },
  { name: 'WINDOW_UPDATE beyond the limit', steps: [frame(frameType.window, 0, 0, uint32(0x7fffffff))], ms: 300, until: 'none', logs: 0 },
  {
    name: 'WINDOW_UPDATE of a stream beyond the limit',
    steps: [post(), frame(frameType.window, 0, 1, uint32(0x7fffffff))],
    ms: 300,
    until: 'none',
  },
  { name: 'DATA on an idle stream', steps: [data('a', 5)], ms: 300, until: 'none', logs: 0 },
  { name: 'DATA on stream 0', steps: [data('a', 0)], ms: 300, until: 'none', logs: 0 },
  { name: 'even stream', steps: [request(fields(), 2)], ms: 300, until: 'none', logs: 0 },
  { name: 'stream numbers fall', steps: [request(fields(), 5), 'HEADERS 5', request(fields(), 3)], ms: 300, until: 'none' },
  { name: 'stream numbers leap', steps: [request(fields(), 101)], until: 'DATA 101' },
  { name: 'RST_STREAM on an idle stream', steps: [rst(8, 5)], ms: 300, until: 'none', logs: 0 },
  { name: 'frame too large', steps: [post(), data('x'.repeat(16_385))], ms: 300, until: 'none', logs: 1 },
  { name: 'wrong preface', rawPreface: 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', steps: [], ms: 300, until: 'none', logs: 0 },
  {
    name: 'wrong preface, HTTP/2 alone',
    to: 'h2-only',
    rawPreface: 'GET / HTTP/1.1\r\nhost: a\r\n\r\n',
    steps: [],
    ms: 300,
    until: 'none',
    logs: 0,
  },
  { name: 'preface where HTTP/1 alone is spoken', to: 'h1-only', steps: [request()], ms: 300, until: 'none' },
  { name: 'GOAWAY of the client', steps: [request(), frame(frameType.goaway, 0, 0, Buffer.concat([uint32(0), uint32(0)]))] },
  { name: 'response without a body', steps: [request()], replies: { status: 204 } },
  { name: 'response 304', steps: [request()], replies: { status: 304, headers: [['etag', '"x"']] } },
  {
    name: 'HEAD',
    steps: [request([[':method', 'HEAD'], ...fields().slice(1)])],
    replies: { status: 200, headers: [['content-length', '5']] },
  },
  { name: 'response trailers', steps: [request(fields('/h2'))], replies: { body: 'ok', trailers: [['x-t', '1']] }, until: 'HEADERS 1 end' },
  { name: 'response trailers, HTTP/1 upstream', steps: [request()], replies: { body: 'ok', trailers: [['x-t', '1']] }, until: 'DATA 1' },
  { name: 'response in chunks', steps: [request()], replies: { body: 'ok', chunked: true } },
  {
    name: 'response with hop-by-hop fields',
    steps: [request()],
    replies: {
      raw: 'HTTP/1.1 200 OK\r\nconnection: x-a, close\r\nx-a: 1\r\nkeep-alive: 5\r\nproxy-connection: x\r\nupgrade: foo\r\nX-MiXed: Case\r\ncontent-length: 2\r\n\r\nok',
    },
  },
  {
    name: 'response with set-cookie',
    steps: [request()],
    replies: {
      headers: [
        ['set-cookie', 'a=1'],
        ['set-cookie', 'b=2'],
      ],
      body: 'ok',
    },
  },
  { name: 'interim 103', steps: [request()], replies: { ...ok, informational: [{ status: 103, headers: [['link', '</a>']] }] } },
  { name: 'upstream closes', steps: [request()], replies: { instead: 'close' } },
  {
    name: 'upstream cuts the body',
    steps: [request()],
    replies: { headers: [['content-length', '10']], body: 'half', cut: 'close' },
    until: 'RST_STREAM',
  },
  {
    name: 'upstream resets the body',
    steps: [request()],
    replies: { headers: [['content-length', '10']], body: 'half', cut: 'reset' },
    until: 'RST_STREAM',
  },
  { name: 'HTTP/2 upstream resets', steps: [request(fields('/h2'))], replies: { instead: 'reset', errorCode: 7 } },
  ...[0, 2, 8, 11].map(
    (errorCode): Scripted => ({
      name: `HTTP/2 upstream resets the body with ${errorCode}`,
      steps: [request(fields('/h2'))],
      replies: { body: 'half', cut: 'reset', errorCode },
      until: 'RST_STREAM',
      ms: 500,
    }),
  ),
  { name: 'upstream does not speak HTTP', steps: [request()], replies: { raw: 'nonsense\r\n\r\n' } },
  { name: 'local reply', steps: [request(fields('/direct'))] },
  { name: 'local reply while the body comes', steps: [post('/direct'), 'RST_STREAM'], ms: 300, until: 'RST_STREAM' },
  { name: 'no route while the body comes', steps: [post('/none'), 'RST_STREAM'], ms: 300, until: 'RST_STREAM' },
  {
    name: 'early answer of the upstream',
    steps: [post(), data('a')],
    replies: { early: true, body: 'early' },
    until: 'RST_STREAM',
    ms: 300,
  },
  { name: 'route timeout', steps: [request(fields('/timeout'))], replies: { instead: 'hang' }, ms: 600 },
  {
    name: 'route timeout while the body comes',
    steps: [post('/timeout'), data('a')],
    replies: { instead: 'hang' },
    ms: 400,
    until: 'RST_STREAM',
  },
  { name: 'stream idle timeout', to: 'timeouts', steps: [request(fields('/a'))], replies: { instead: 'hang' }, ms: 600, until: 'DATA' },
  {
    name: 'stream idle timeout in the body',
    to: 'timeouts',
    steps: [request(fields('/a'))],
    replies: { headers: [['content-length', '10']], body: 'half', cut: 'hang' },
    ms: 600,
    until: 'RST_STREAM',
  },
  { name: 'request timeout', to: 'overall', steps: [post()], ms: 600, until: 'RST_STREAM' },
  { name: 'client resets', steps: [request(), 60, rst(8), 30], replies: { instead: 'hang' }, until: 'none', ms: 30 },
  { name: 'client resets twice', steps: [request(), 40, rst(8), rst(8), 30], replies: { instead: 'hang' }, until: 'none', ms: 30 },
  {
    name: 'two streams at once',
    steps: [Buffer.concat([request(fields('/h2')), request(fields('/h2'), 3)])],
    replies: ok,
    until: 'DATA 3',
    logs: 2,
  },
  {
    name: 'max_concurrent_streams passed',
    to: 'streams',
    steps: [Buffer.concat([request(), request(fields(), 3), request(fields(), 5)]), 'RST_STREAM'],
    replies: { instead: 'hang' },
    until: 'RST_STREAM',
    ms: 300,
    logs: 0,
  },
  {
    name: 'max_requests_per_connection',
    to: 'limited',
    steps: [request(), 'DATA 1', request(fields(), 3)],
    replies: ok,
    until: 'closed',
    ms: 400,
    logs: 2,
  },
  { name: 'idle connection', to: 'idle', steps: [request(), 'DATA 1'], replies: ok, until: 'GOAWAY', ms: 1500 },
  { name: 'keepalive', to: 'keepalive', steps: [250], until: 'closed', ms: 700, logs: 0 },
  {
    name: 'window of 1 byte',
    settings: [[4, 1]],
    steps: [request(), 60, frame(frameType.window, 0, 1, uint32(1)), 60],
    replies: ok,
    until: 'DATA 1 2 bytes end',
  },
  { name: 'window of 0', settings: [[4, 0]], steps: [request(), 60], replies: ok, until: 'none', ms: 30, logs: 0 },
  { name: 'window of 0 and then SETTINGS', settings: [[4, 0]], steps: [request(), 60, settingsFrame([[4, 100]])], replies: ok },
  { name: 'windows of the connection', steps: [request(), 100], replies: { body: big }, until: 'none', ms: 50, logs: 0 },
  {
    name: 'windows of the connection, more given',
    steps: [request(), 60, frame(frameType.window, 0, 0, uint32(500_000)), frame(frameType.window, 0, 1, uint32(500_000))],
    replies: { body: big },
    until: 'DATA 1 200000 bytes end',
  },
  {
    name: 'table of 0 bytes',
    settings: [[1, 0]],
    steps: [request(), 'DATA 1', request(fields(), 3)],
    replies: ok,
    until: 'DATA 3',
    logs: 2,
  },
  {
    name: 'frames of 20 kB allowed',
    settings: [[5, 20_000]],
    steps: [request()],
    replies: { body: 'x'.repeat(30_000) },
    until: 'DATA 1 30000 bytes end',
  },
  { name: 'header list of 100 bytes allowed', settings: [[6, 100]], steps: [request()], replies: ok },
  { name: 'frame size below the minimum', settings: [[5, 100]], steps: [], ms: 300, until: 'none', logs: 0 },
  { name: 'window beyond the limit', settings: [[4, 0x80000000]], steps: [], ms: 300, until: 'none', logs: 0 },
  { name: 'ENABLE_PUSH 2', settings: [[2, 2]], steps: [], ms: 300, until: 'none', logs: 0 },
  { name: 'ENABLE_CONNECT_PROTOCOL 2', settings: [[8, 2]], steps: [], ms: 300, until: 'none', logs: 0 },
  { name: 'unknown setting', settings: [[77, 2]], steps: [request()], replies: ok },
];

/** What a client sees frame by frame. */
export const http2Frames: DifferentialFamily = {
  name: 'http2-frames',
  waits: true,
  known,
  about: 'HTTP/2 frame by frame as a client sees it: settings, windows, rules for messages, errors and their codes, what the upstream gets',
  bootstrap: (site) => ({
    static_resources: {
      listeners: Object.entries(managers).map(([name, more]) =>
        listener(site, name, [
          httpConnectionManager(
            site,
            [
              virtualHost([
                { name: 'direct', match: { prefix: '/direct' }, direct_response: { status: 200, body: { inline_string: 'direct' } } },
                { name: 'none', match: { prefix: '/none' }, route: { cluster: 'absent' } },
                { name: 'timeout', match: { prefix: '/timeout' }, route: { cluster: 'a', timeout: '0.15s' } },
                { name: 'h2', match: { prefix: '/h2' }, route: { cluster: 'h2' } },
                { name: 'all', match: { prefix: '/' }, route: { cluster: 'a' } },
              ]),
            ],
            { delayed_close_timeout: '0.05s', ...more },
          ),
        ]),
      ),
      clusters: [
        ...standardClusters(site),
        cluster('auto', [site.upstream('a')], httpOptions({ explicit_http_config: { http_protocol_options: {} } })),
      ],
    },
  }),
  cases: cases.map(
    ({
      name,
      to = 'http',
      steps,
      replies,
      until = 'DATA',
      ms = 1000,
      settings = [],
      logs = 1,
      greeting,
      windows,
      rawPreface,
    }): DifferentialCase => ({
      name,
      does: [],
      run: async (proxy) => {
        if (replies !== undefined) proxy.reply(replies);
        const socket = connect({ port: proxy.site.port(to), host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
        const log = logFrames(socket);
        if (rawPreface === undefined) socket.write(Buffer.concat([Buffer.from(preface), settingsFrame(settings)]));
        else socket.write(rawPreface);
        if (rawPreface === undefined) await log.until(/SETTINGS ack|GOAWAY|closed|reset/, 1000);
        for (const step of steps) {
          if (typeof step === 'number') await new Promise((resolve) => setTimeout(resolve, step));
          else if (typeof step === 'string') await log.until(step, ms);
          else if (!socket.destroyed) socket.write(step);
        }
        await log.until(new RegExp(`^(${until}|HEADERS \\d+ end|RST_STREAM|closed|reset)`), ms);
        await new Promise((resolve) => setTimeout(resolve, 8));
        socket.destroy();
        const lines = log.lines.filter(
          // The ping after a GOAWAY asks whether it has arrived: how fast it follows is a race.
          (line, i) =>
            (line !== 'PING' || log.lines[i - 1]?.startsWith('GOAWAY') !== true) &&
            (greeting === true || !line.startsWith('SETTINGS')) &&
            (windows === true || !line.startsWith('WINDOW_UPDATE')),
        );
        const written = logs === 0 ? [] : await proxy.takeLog(logs);
        return { frames: [...lines], log: written };
      },
    }),
  ),
  stats: [
    'rx_reset',
    'tx_reset',
    'rx_messaging_error',
    'header_overflow',
    'headers_cb_no_stream',
    'too_many_header_frames',
    'trailers',
    'dropped_headers_with_underscores',
    'goaway_sent',
    'keepalive_timeout',
    'streams_active',
  ].map((stat) => `http2.${stat}`),
};
