import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'manager request timeout in the head': {
    why: 'open: the time limit begins with a complete head',
    differs: {
      'answers.0.answers': [
        [
          {
            status: 'HTTP/1.1 408 Request Timeout',
            headers: [
              ['connection', 'close'],
              ['content-length', '15'],
              ['content-type', 'text/plain'],
              ['date', 'DATE'],
              ['server', 'envoy'],
            ],
            body: 'request timeout',
            trailers: [],
          },
        ],
        [],
      ],
      'answers.0.connection': ['closing', 'open'],
      log: [
        [
          {
            attempts: 0,
            authority: null,
            cluster: null,
            code: 408,
            details: 'request_overall_timeout',
            failure: null,
            flags: '-',
            host: null,
            method: null,
            path: null,
            protocol: 'HTTP/1.1',
            received: 0,
            route: null,
            sent: 15,
            termination: null,
          },
        ],
        [],
      ],
    },
  },
  'manager headers timeout in the head': {
    why: 'open: the time limit begins with a complete head',
    differs: {
      'answers.0.answers': [
        [
          {
            status: 'HTTP/1.1 408 Request Timeout',
            headers: [
              ['connection', 'close'],
              ['content-length', '22'],
              ['content-type', 'text/plain'],
              ['date', 'DATE'],
              ['server', 'envoy'],
            ],
            body: 'request header timeout',
            trailers: [],
          },
        ],
        [],
      ],
      'answers.0.connection': ['closing', 'open'],
      log: [
        [
          {
            attempts: 0,
            authority: null,
            cluster: null,
            code: 408,
            details: 'request_header_timeout',
            failure: null,
            flags: '-',
            host: null,
            method: null,
            path: null,
            protocol: 'HTTP/1.1',
            received: 0,
            route: null,
            sent: 22,
            termination: null,
          },
        ],
        [],
      ],
    },
  },
  'manager idle connection, HTTP/2': {
    why: 'open: another moment of the graceful close',
    differs: { 'answers.0.goaway': ['error 0 (notice)', null] },
  },
  'manager connection duration, HTTP/2': {
    why: 'open: another moment of the graceful close',
    differs: {
      'answers.0.answers.0.status': ['200', 'none'],
      'answers.0.answers.0.headers.content-length': ['1', null],
      'answers.0.answers.0.headers.date': ['DATE', null],
      'answers.0.answers.0.headers.server': ['envoy', null],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': ['N', null],
      'answers.0.answers.0.body': ['x', ''],
      'answers.0.answers.0.cut': [null, 'unfinished'],
      'answers.0.connection': ['open', 'closed'],
      seen: [
        [
          {
            upstream: 'a',
            line: 'GET /t058 HTTP/1.1',
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
        [],
      ],
      log: [
        [
          {
            attempts: 1,
            authority: 'app.example',
            cluster: 'a',
            code: 200,
            details: 'via_upstream',
            failure: null,
            flags: '-',
            host: '127.0.0.1:A',
            method: 'GET',
            path: '/t058',
            protocol: 'HTTP/2',
            received: 0,
            route: 'manager connection duration, HTTP/2',
            sent: 1,
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
      'http.main.downstream_rq_timeout': ['3', '2'],
      'http.main.downstream_rq_header_timeout': ['1', 'absent'],
      'http.main.downstream_cx_idle_timeout': ['2', '0'],
      'http.main.downstream_cx_max_duration_reached': ['3', 'absent'],
    },
  },
};
