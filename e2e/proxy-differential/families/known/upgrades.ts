import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
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
  'upstream closes': {
    why: 'open: to be done as Envoy does it',
    differs: {
      'answers.0.connection': ['open', 'closed'],
    },
  },
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
  'CONNECT over HTTP/1 and half-close': {
    why: 'A client that closes its side before the tunnel stands has left here.',
    differs: {
      'log.0.host': ['127.0.0.1:TCP', null],
    },
  },
};
