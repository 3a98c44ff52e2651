import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'manager request timeout in the head': {
    why: 'time limits of a request begin with its complete head here, and with its first byte in Envoy; the idle time of the connection ends one that never comes',
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
    why: 'time limits of a request begin with its complete head here, and with its first byte in Envoy; the idle time of the connection ends one that never comes',
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
  'manager idle connection': {
    why: 'an idle connection is closed at once here; Envoy lets it drain for drain_timeout first',
    differs: { 'answers.0.connection': ['open', 'closed'] },
  },
  'manager idle connection, HTTP/2': {
    why: 'an idle HTTP/2 connection is ended without the notice that Envoy sends before',
    differs: { 'answers.0.goaway': ['error 0 (notice)', 'error 0 (notice), error 0'], 'answers.0.connection': ['open', 'closed'] },
  },
  'manager connection duration, HTTP/2': {
    why: 'open: the connection is closed when its last stream is over; Envoy keeps it until its drain time ends',
    differs: { 'answers.0.connection': ['open', 'closed'] },
  },
  stats: {
    why: 'open: follows from the time limits above; connections that reach their duration are not counted',
    differs: {
      'http.main.downstream_rq_timeout': ['3', '2'],
      'http.main.downstream_rq_header_timeout': ['1', '0'],
      'http.main.downstream_cx_max_duration_reached': ['3', '0'],
    },
  },
};
