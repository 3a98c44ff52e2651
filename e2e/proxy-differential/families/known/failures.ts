import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'status 99': {
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
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
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
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
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
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
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
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
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
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
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
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
    why: 'open: a tunnel that is answered without an upstream',
    differs: { 'answers.0.answers.0.headers.transfer-encoding': [null, 'chunked'], 'answers.0.tunnel': ['', '0\r\n\r\n'] },
  },
  '101 that nobody asked for, HTTP/2 client': {
    why: 'open: a tunnel that is answered without an upstream',
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
      'answers.0.answers.0.cut': [null, 'unfinished'],
    },
  },
  'obs-fold': {
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
    differs: {
      'answers.0.answers.0.status': ['HTTP/1.1 200 OK', 'HTTP/1.1 502 Bad Gateway'],
      'answers.0.answers.0.headers.content-length': ['2', '87'],
      'answers.0.answers.0.headers.x-a': ['one two', null],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.body': ['ok', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'log.0.code': [200, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [2, 87],
    },
  },
  'obs-fold, HTTP/2 client': {
    why: 'stricter on purpose: readers that disagree about such a message are how requests are smuggled',
    differs: {
      'answers.0.answers.0.status': ['200', '502'],
      'answers.0.answers.0.headers.content-length': ['2', '87'],
      'answers.0.answers.0.headers.x-a': ['one two', null],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.headers.content-type': [null, 'text/plain'],
      'answers.0.answers.0.body': ['ok', 'upstream connect error or disconnect/reset before headers. reset reason: protocol error'],
      'log.0.code': [200, 502],
      'log.0.details': ['via_upstream', 'upstream_reset_before_response_started{protocol_error}'],
      'log.0.flags': ['-', 'UPE'],
      'log.0.sent': [2, 87],
    },
  },
  'hop-by-hop headers, HTTP/2 client': {
    why: 'open: to be done as Envoy does it',
    differs: { 'answers.0.answers.0.headers.te': ['x', null] },
  },
  'client leaves in its head': {
    why: 'open: to be done as Envoy does it',
    differs: {
      log: [
        [
          {
            attempts: 0,
            authority: null,
            cluster: null,
            code: 0,
            details: 'downstream_remote_disconnect',
            failure: null,
            flags: 'DC',
            host: null,
            method: null,
            path: null,
            protocol: 'HTTP/1.1',
            received: 0,
            route: null,
            sent: 0,
            termination: null,
          },
        ],
        [],
      ],
    },
  },
  stats: {
    why: 'open: these stats are not counted, or counted at another moment',
    differs: {
      'cluster.a.upstream_cx_protocol_error': ['32', '40'],
      'cluster.a.upstream_rq_2xx': ['54', '50'],
      'cluster.a.upstream_rq_5xx': ['25', '33'],
      'cluster.a.upstream_rq_502': ['20', '28'],
      'http.main.downstream_rq_rx_reset': ['24', '6'],
      'http.main.downstream_cx_destroy_remote_active_rq': ['6', '5'],
      'http.main.downstream_rq_5xx': ['62', '70'],
    },
  },
};
