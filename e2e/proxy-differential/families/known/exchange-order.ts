import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'http: HTTP/1.0': {
    why: 'A client of HTTP/1.0 gets no 1xx (RFC 9110 section 15.2); Envoy sends it one.',
    differs: {
      'answers.0.answers.0.informational': [
        [
          {
            status: 'HTTP/1.0 100 Continue',
            headers: [],
          },
        ],
        null,
      ],
    },
  },
  'proxied: HTTP/1.0': {
    why: 'A client of HTTP/1.0 gets no 1xx (RFC 9110 section 15.2); Envoy sends it one.',
    differs: {
      'answers.0.answers.0.informational': [
        [
          {
            status: 'HTTP/1.0 100 Continue',
            headers: [],
          },
        ],
        null,
      ],
    },
  },
  '1.0 without host': {
    why: 'A missing host of HTTP/1.0 is logged as an empty one.',
    differs: {
      'log.0.authority': [null, ''],
    },
  },
  'trailers: trailers/trailers, forbidden names': {
    why: 'Fields that frame or route a message are left out of trailers (RFC 9110 section 6.5.1); Envoy passes them on.',
    differs: {
      'seen.0.trailers.connection': ['x', null],
      'seen.0.trailers.content-length': ['9', null],
      'seen.0.trailers.host': ['b', null],
      'seen.0.trailers.transfer-encoding': ['x', null],
    },
  },
  'trailers: trailers/h2, forbidden names': {
    why: 'Fields that frame or route a message are left out of trailers (RFC 9110 section 6.5.1); Envoy passes them on, and its own codec of HTTP/2 refuses them.',
    differs: {
      'answers.0.answers.0.status': ['HTTP/1.1 502 Bad Gateway', 'HTTP/1.1 200 OK'],
      'answers.0.answers.0.headers.content-length': ['87', null],
      'answers.0.answers.0.headers.transfer-encoding': [null, 'chunked'],
      'answers.0.answers.0.headers.x-envoy-upstream-service-time': [null, 'N'],
      'answers.0.answers.0.body': [
        'upstream connect error or disconnect/reset before headers. reset reason: protocol error',
        'h2: POST /h2 HTTP/2',
      ],
      'seen.0.trailers.cookie': [null, 'c'],
      'seen.0.trailers.x-ok': [null, '1'],
      'seen.0.cut': ['reset 1', null],
      'log.0.code': [502, 200],
      'log.0.details': ['upstream_reset_before_response_started{protocol_error}', 'via_upstream'],
      'log.0.flags': ['UPE', '-'],
      'log.0.sent': [87, 19],
    },
  },
  stats: {
    why: 'Follows from the trailers above: a request that Envoy cannot pass on is answered here.',
    differs: {
      'http.main.downstream_rq_2xx': ['148', '149'],
    },
  },
};
