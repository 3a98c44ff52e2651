import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'upgrade: ""': {
    why: 'An empty upgrade field asks for nothing here; Envoy refuses it.',
    differs: {
      'answers.0.answers.0.status': ['HTTP/1.1 403 Forbidden', 'HTTP/1.1 200 OK'],
      'answers.0.answers.0.headers.connection': ['close', null],
      'answers.0.answers.0.headers.content-length': ['0', '5'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': [null, 'N'],
      'answers.0.answers.0.body': ['', 'plain'],
      'answers.0.connection': ['closing', 'open'],
      seen: [
        [],
        [
          {
            upstream: 'a',
            line: 'GET /a HTTP/1.1',
            headers: [
              ['host', 'app.example'],
              ['x-envoy-expected-rq-timeout-ms', '15000'],
              ['x-forwarded-proto', 'http'],
              ['x-request-id', 'UUID'],
            ],
            body: '',
            trailers: [],
          },
        ],
      ],
      'log.0.attempts': [0, 1],
      'log.0.code': [403, 200],
      'log.0.details': ['upgrade_failed', 'via_upstream'],
      'log.0.host': [null, '127.0.0.1:A'],
      'log.0.sent': [0, 5],
    },
  },
  'connection names another field': { why: 'open: to be done as Envoy does it', differs: { 'seen.0.headers.x-a': ['1', null] } },
  'POST with a body': {
    why: 'A request with a body is no upgrade here; Envoy takes its body for the bytes of the tunnel.',
    differs: {
      'answers.0.answers': [
        [],
        [
          {
            status: 'HTTP/1.1 101 Switching Protocols',
            headers: [
              ['date', 'DATE'],
              ['server', 'envoy'],
              ['transfer-encoding', 'chunked'],
              ['x-envoy-upstream-service-time', 'N'],
            ],
            body: '',
            trailers: [],
          },
        ],
      ],
      'answers.0.tunnel': [null, ''],
      'seen.0.headers.connection': ['upgrade', null],
      'seen.0.headers.upgrade': ['websocket', null],
      'seen.0.body': ['', 'body'],
      'seen.0.cut': ['closed', null],
      'log.0.code': [0, 101],
    },
  },
  'POST in chunks': {
    why: 'A request with a body is no upgrade here; Envoy takes its body for the bytes of the tunnel.',
    differs: {
      'answers.0.answers.0.headers.connection': ['upgrade', null],
      'answers.0.answers.0.headers.upgrade': ['websocket', null],
      'answers.0.answers.0.headers.transfer-encoding': [null, 'chunked'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': [null, 'N'],
      'answers.0.tunnel': ['3\r\nONE\r\n3\r\nTWO\r\n0\r\n\r\nHELLO', ''],
      'seen.0.headers.connection': ['upgrade', null],
      'seen.0.headers.upgrade': ['websocket', null],
      'seen.0.headers.transfer-encoding': [null, 'chunked'],
      'seen.0.body': ['', 'onetwo'],
      'log.0.received': [26, 6],
      'log.0.sent': [26, 0],
    },
  },
  'content-length: 0': { why: 'open: to be done as Envoy does it', differs: { 'seen.0.headers.content-length': ['0', null] } },
  '101 without fields': {
    why: 'open: to be done as Envoy does it',
    differs: {
      'answers.0.answers.0.headers.connection': ['close', 'upgrade'],
      'answers.0.answers.0.headers.upgrade': [null, 'websocket'],
      'answers.0.connection': ['reset', 'open'],
      'answers.0.tunnel': ['', 'HELLO'],
      'log.0.details': ['via_upstream', 'downstream_remote_disconnect'],
      'log.0.flags': ['-', 'DC'],
      'log.0.received': [0, 5],
      'log.0.sent': [0, 5],
    },
  },
  'upstream closes': { why: 'open: to be done as Envoy does it', differs: { 'answers.0.connection': ['open', 'closed'] } },
  mirrored: {
    why: 'Upgrades are not mirrored.',
    differs: {
      seen: [
        [
          {
            upstream: 'a',
            line: 'GET /mirror HTTP/1.1',
            headers: [
              ['connection', 'upgrade'],
              ['host', 'app.example'],
              ['upgrade', 'websocket'],
              ['x-envoy-expected-rq-timeout-ms', '15000'],
              ['x-forwarded-proto', 'http'],
              ['x-request-id', 'UUID'],
            ],
            body: '',
            trailers: [],
          },
          {
            upstream: 'b',
            line: 'GET /mirror HTTP/1.1',
            headers: [
              ['connection', 'upgrade'],
              ['host', 'app.example-shadow'],
              ['upgrade', 'websocket'],
              ['x-envoy-expected-rq-timeout-ms', '15000'],
              ['x-envoy-internal', 'true'],
              ['x-forwarded-for', '192.0.2.2'],
              ['x-forwarded-proto', 'http'],
              ['x-request-id', 'UUID'],
            ],
            body: '',
            trailers: [],
          },
        ],
        [
          {
            upstream: 'a',
            line: 'GET /mirror HTTP/1.1',
            headers: [
              ['connection', 'upgrade'],
              ['host', 'app.example'],
              ['upgrade', 'websocket'],
              ['x-envoy-expected-rq-timeout-ms', '15000'],
              ['x-forwarded-proto', 'http'],
              ['x-request-id', 'UUID'],
            ],
            body: '',
            trailers: [],
          },
        ],
      ],
    },
  },
  'filters of the upgrade': {
    why: 'open: `filters` of an upgrade are not there.',
    differs: { 'seen.0.headers.x-filter': ['upgrade', 'plain'] },
  },
  'HTTP/2 to HTTP/1': {
    why: "open: the client's end of a tunnel is passed on, and Envoy keeps it from HTTP/1 upstreams.",
    differs: {
      'answers.0.answers.0.cut': ['unfinished', 'RST_STREAM 10'],
      'log.0.details': ['downstream_remote_disconnect', 'upstream_reset_after_response_started{connection_termination}'],
      'log.0.flags': ['DC', 'UC'],
    },
  },
  'HTTP/2 to HTTP/1, 320 kB': {
    why: "open: the client's end of a tunnel is passed on, and Envoy keeps it from HTTP/1 upstreams.",
    differs: {
      'answers.0.answers.0.cut': ['unfinished', 'RST_STREAM 10'],
      'log.0.details': ['downstream_remote_disconnect', 'upstream_reset_after_response_started{connection_termination}'],
      'log.0.flags': ['DC', 'UC'],
    },
  },
  'HTTP/2 to HTTP/1 with fields': {
    why: "open: the client's end of a tunnel is passed on, and Envoy keeps it from HTTP/1 upstreams.",
    differs: {
      'answers.0.answers.0.cut': ['unfinished', 'RST_STREAM 10'],
      'log.0.details': ['downstream_remote_disconnect', 'upstream_reset_after_response_started{connection_termination}'],
      'log.0.flags': ['DC', 'UC'],
    },
  },
  'HTTP/2 to HTTP/1, another protocol': {
    why: 'Envoy announces the end of an HTTP/2 connection after a refused extended CONNECT.',
    differs: { 'answers.0.goaway': ['error 0 (notice)', null] },
  },
  'HTTP/2 to HTTP/1, protocol of the route': {
    why: "open: the client's end of a tunnel is passed on, and Envoy keeps it from HTTP/1 upstreams.",
    differs: {
      'answers.0.answers.0.cut': ['unfinished', 'RST_STREAM 10'],
      'log.0.details': ['downstream_remote_disconnect', 'upstream_reset_after_response_started{connection_termination}'],
      'log.0.flags': ['DC', 'UC'],
    },
  },
  'HTTP/2, switched off': {
    why: 'Envoy announces the end of an HTTP/2 connection after a refused extended CONNECT.',
    differs: { 'answers.0.goaway': ['error 0 (notice)', null] },
  },
  'HTTP/2, none allowed': {
    why: 'Envoy announces the end of an HTTP/2 connection after a refused extended CONNECT.',
    differs: { 'answers.0.goaway': ['error 0 (notice)', null] },
  },
  'HTTP/2, allow_connect is off': {
    why: 'open: to be done as Envoy does it',
    differs: { 'log.0.details': ['http2.invalid.header.field', 'http2.violation.of.messaging.rule'] },
  },
  'CONNECT over HTTP/1 and half-close': {
    why: 'A client that closes its side before the tunnel stands has left here.',
    differs: { 'log.0.host': ['127.0.0.1:TCP', null] },
  },
  'CONNECT over HTTP/1, forwarded, refused': {
    why: 'open: to be done as Envoy does it',
    differs: { 'answers.0.answers.0.headers.connection': ['close', null], 'answers.0.connection': ['closing', 'open'] },
  },
  'CONNECT over HTTP/1, forwarded to HTTP/2, refused': {
    why: 'open: to be done as Envoy does it',
    differs: { 'answers.0.answers.0.headers.connection': ['close', null] },
  },
};
