import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'status 99': {
    why: 'a status below 100 is no HTTP (RFC 9110 section 15), and is answered 502; Envoy passes it on',
    differs: {
      'answers.0.answers.0.status': ['HTTP/1.1 99 Unknown', 'HTTP/1.1 502 Bad Gateway'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.headers.content-length': [null, '87'],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.body': ['', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'answers.0.answers.0.cut': ['unfinished', null],
      'log.0.code': [99, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [0, 87],
    },
  },
  'status 99, HTTP/2 client': {
    why: 'a status below 100 is no HTTP (RFC 9110 section 15), and is answered 502; Envoy passes it on',
    differs: {
      'answers.0.answers.0.status': ['99', '502'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.headers.content-length': [null, '87'],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.body': ['', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'log.0.code': [99, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [0, 87],
    },
  },
  'status 1000': {
    why: 'a status of four digits is no HTTP (RFC 9110 section 15), and is answered 502; Envoy passes it on',
    differs: {
      'answers.0.answers.0.status': ['HTTP/1.1 1000 Unknown', 'HTTP/1.1 502 Bad Gateway'],
      'answers.0.answers.0.headers.content-length': ['0', '87'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.body': ['', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'log.0.code': [1000, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [0, 87],
    },
  },
  'status 1000, HTTP/2 client': {
    why: 'a status of four digits is no HTTP (RFC 9110 section 15), and is answered 502; Envoy passes it on',
    differs: {
      'answers.0.answers.0.status': ['none', '502'],
      'answers.0.answers.0.headers.content-length': [null, '87'],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.headers.date': [null, 'DATE'],
      'answers.0.answers.0.headers.server': [null, 'envoy'],
      'answers.0.answers.0.body': ['', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'answers.0.answers.0.informational': [
        [
          {
            status: '1000',
            headers: [
              ['content-length', '0'],
              ['date', 'DATE'],
              ['server', 'envoy'],
              ['x-envoy-upstream-service-time', 'N'],
            ],
          },
        ],
        null,
      ],
      'log.0.code': [1000, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [0, 87],
    },
  },
  'bare line feeds': {
    why: 'stricter: a line that ends in a bare LF is refused; Envoy takes it',
    differs: {
      'answers.0.answers.0.status': ['HTTP/1.1 200 OK', 'HTTP/1.1 502 Bad Gateway'],
      'answers.0.answers.0.headers.content-length': ['2', '87'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.body': ['ok', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'log.0.code': [200, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [2, 87],
    },
  },
  'bare line feeds, HTTP/2 client': {
    why: 'stricter: a line that ends in a bare LF is refused; Envoy takes it',
    differs: {
      'answers.0.answers.0.status': ['200', '502'],
      'answers.0.answers.0.headers.content-length': ['2', '87'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.body': ['ok', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'log.0.code': [200, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [2, 87],
    },
  },
  '101 that nobody asked for': {
    why: 'open: the answer counts as a response that was cut off; Envoy passes the 101 on as it is',
    differs: {
      'answers.0.answers.0.headers.transfer-encoding': [null, 'chunked'],
      'answers.0.connection': ['open', 'closed'],
      'log.0.details': ['via_upstream', 'upstream_reset_after_response_started{connection_termination}'],
      'log.0.flags': ['-', 'UC'],
    },
  },
  '101 that nobody asked for, HTTP/2 client': {
    why: 'open: the answer counts as a response that was cut off; Envoy passes the 101 on as it is',
    differs: {
      'answers.0.answers.0.informational': [
        [
          {
            status: '101',
            headers: [
              ['date', 'DATE'],
              ['server', 'envoy'],
              ['x-envoy-upstream-service-time', 'N'],
            ],
          },
        ],
        null,
      ],
      'answers.0.answers.0.cut': [null, 'RST_STREAM 2'],
      'log.0.details': ['via_upstream', 'upstream_reset_after_response_started{connection_termination}'],
      'log.0.flags': ['-', 'UC'],
    },
  },
  'hop-by-hop headers, HTTP/2 client': {
    why: 'te does not leave on HTTP/2, where it is malformed in a response (RFC 9113 section 8.2.2)',
    differs: {
      'answers.0.answers.0.headers.te': ['x', null],
    },
  },
  stats: {
    why: 'follows from the responses above that are refused instead of taken; open: resets that clients cause in their requests are counted at another moment',
    differs: {
      'cluster.a.upstream_cx_protocol_error': ['32', '38'],
      'cluster.a.upstream_rq_2xx': ['54', '52'],
      'cluster.a.upstream_rq_5xx': ['25', '31'],
      'cluster.a.upstream_rq_502': ['20', '26'],
      'http.main.downstream_rq_rx_reset': ['24', '14'],
      'http.main.downstream_rq_5xx': ['62', '68'],
    },
  },
};
