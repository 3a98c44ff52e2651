import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'WINDOW_UPDATE beyond the limit': {
    why: 'A window that grows too large is told with GOAWAY (RFC 9113 section 6.9.1), where Envoy says nothing.',
    differs: {
      'result.frames': [['closed'], ['GOAWAY last 0 error 3', 'closed']],
    },
  },
  'WINDOW_UPDATE of a stream beyond the limit': {
    why: 'open: to be done as Envoy does it',
    differs: {
      'result.frames.0': ['closed', 'RST_STREAM 1 3'],
      'result.log.0.details': ['http2.unknown.nghttp2.error', 'http2.violation.of.messaging.rule'],
    },
  },
  'stream numbers fall': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: {
      'result.frames': [
        [
          'HEADERS 5 :status: 200 | content-length: 18 | content-type: text/plain | date | server: envoy | x-envoy-upstream-service-time',
          'DATA 5 18 bytes end',
        ],
        [
          'HEADERS 5 :status: 200 | content-length: 18 | content-type: text/plain | date | server: envoy | x-envoy-upstream-service-time',
          'DATA 5 18 bytes end',
          'GOAWAY last 5 error 1',
          'closed',
        ],
      ],
    },
  },
  'windows of the connection, more given': {
    why: 'open: to be done as Envoy does it',
    differs: {
      'result.log.0.sent': [200000, 131029],
    },
  },
  stats: {
    why: 'open: the statistics of the HTTP/2 codec are not all there.',
    differs: {
      'http2.tx_reset': ['67', '57'],
      'http2.rx_messaging_error': ['93', '99'],
      'http2.header_overflow': ['2', '3'],
      'http2.trailers': ['4', '2'],
      'http2.keepalive_timeout': ['1', '0'],
    },
  },
};
