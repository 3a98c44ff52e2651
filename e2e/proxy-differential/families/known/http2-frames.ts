import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'greeting of http': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=4096 3=1024 4=16777216 8=0', 'SETTINGS 3=1024 4=262144 6=61440'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 983041'],
      'result.frames.2': ['WINDOW_UPDATE 0 25100289', 'SETTINGS ack'],
    },
  },
  'greeting of h2-only': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=4096 3=1024 4=16777216 8=0', 'SETTINGS 3=1024 4=262144 6=61440'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 983041'],
      'result.frames.2': ['WINDOW_UPDATE 0 25100289', 'SETTINGS ack'],
    },
  },
  'greeting of windows': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: { 'result.frames.0': ['SETTINGS 1=4096 3=1024 4=65535 8=0', 'SETTINGS 3=1024 4=65535 6=61440'] },
  },
  'greeting of large': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=4096 3=1024 4=1000000 8=0', 'SETTINGS 3=1024 4=1000000 6=61440'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 1934465'],
      'result.frames.2': ['WINDOW_UPDATE 0 1934465', 'SETTINGS ack'],
    },
  },
  'greeting of streams': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=4096 3=2 4=16777216 8=0', 'SETTINGS 3=2 4=262144 6=61440'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 983041'],
      'result.frames.2': ['WINDOW_UPDATE 0 25100289', 'SETTINGS ack'],
    },
  },
  'greeting of table': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=0 3=1024 4=16777216 8=0', 'SETTINGS 3=1024 4=262144 6=61440'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 983041'],
      'result.frames.2': ['WINDOW_UPDATE 0 25100289', 'SETTINGS ack'],
    },
  },
  'greeting of connects': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=4096 3=1024 4=16777216 8=1', 'SETTINGS 3=1024 4=262144 6=61440 8=1'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 983041'],
      'result.frames.2': ['WINDOW_UPDATE 0 25100289', 'SETTINGS ack'],
    },
  },
  'greeting of headers': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=4096 3=1024 4=16777216 8=0', 'SETTINGS 3=1024 4=262144 6=8192'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 983041'],
      'result.frames.2': ['WINDOW_UPDATE 0 25100289', 'SETTINGS ack'],
    },
  },
  'greeting of custom': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: {
      'result.frames.0': ['SETTINGS 1=4096 3=1024 4=16777216 8=0 99=7', 'SETTINGS 3=1024 4=262144 6=61440'],
      'result.frames.1': ['SETTINGS ack', 'WINDOW_UPDATE 0 983041'],
      'result.frames.2': ['WINDOW_UPDATE 0 25100289', 'SETTINGS ack'],
    },
  },
  'greeting before the client speaks': {
    why: 'Windows are smaller, so that slow readers cost less memory; the longest header list is announced, and defaults are not.',
    differs: { 'result.frames': [[], ['SETTINGS 3=1024 4=262144 6=61440', 'WINDOW_UPDATE 0 983041']] },
  },
  'stream that depends on itself': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'frame inside a header block': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: {
      'result.frames.0': ['GOAWAY last 1 error 1', 'GOAWAY last 0 error 1'],
      'result.log': [
        [
          {
            attempts: 0,
            authority: null,
            cluster: null,
            code: 0,
            details: 'codec_error:The_user_callback_function_failed',
            failure: null,
            flags: 'DPE',
            host: null,
            method: null,
            path: null,
            protocol: 'HTTP/2',
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
  'no HPACK': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: {
      'result.frames.0': ['GOAWAY last 1 error 9', 'GOAWAY last 0 error 9'],
      'result.log': [
        [
          {
            attempts: 0,
            authority: null,
            cluster: null,
            code: 0,
            details: 'codec_error:The_user_callback_function_failed',
            failure: null,
            flags: 'DPE',
            host: null,
            method: null,
            path: null,
            protocol: 'HTTP/2',
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
  PUSH_PROMISE: {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'WINDOW_UPDATE of 0': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'WINDOW_UPDATE beyond the limit': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 3', 'closed']] },
  },
  'WINDOW_UPDATE of a stream beyond the limit': {
    why: 'open: to be done as Envoy does it',
    differs: {
      'result.frames.0': ['closed', 'RST_STREAM 1 3'],
      'result.log.0.details': ['http2.unknown.nghttp2.error', 'http2.violation.of.messaging.rule'],
    },
  },
  'even stream': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
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
  'RST_STREAM on an idle stream': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'wrong preface': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'wrong preface, HTTP/2 alone': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'GOAWAY of the client': {
    why: 'open: to be done as Envoy does it',
    differs: {
      'result.frames': [
        [
          'HEADERS 1 :status: 200 | content-length: 18 | content-type: text/plain | date | server: envoy | x-envoy-upstream-service-time',
          'DATA 1 18 bytes end',
        ],
        [
          'HEADERS 1 :status: 200 | content-length: 18 | content-type: text/plain | date | server: envoy | x-envoy-upstream-service-time',
          'DATA 1 18 bytes end',
          'closed',
        ],
      ],
    },
  },
  'window of 0 and then SETTINGS': {
    why: 'open: to be done as Envoy does it',
    differs: { 'result.log.0.details': ['downstream_remote_disconnect', 'via_upstream'], 'result.log.0.flags': ['DC', '-'] },
  },
  'windows of the connection, more given': { why: 'open: to be done as Envoy does it', differs: { 'result.log.0.sent': [200000, 131029] } },
  'frame size below the minimum': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'window beyond the limit': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 3', 'closed']] },
  },
  'ENABLE_PUSH 2': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
  },
  'ENABLE_CONNECT_PROTOCOL 2': {
    why: 'An error of the connection is told with GOAWAY (RFC 9113 section 5.4.1), where Envoy says nothing or counts otherwise.',
    differs: { 'result.frames': [['closed'], ['GOAWAY last 0 error 1', 'closed']] },
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
