import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  "host '' over HTTP/2": {
    why: 'an empty :authority is answered 400; Envoy resets the stream',
    differs: {
      'answers.0.answers.0.status': ['none', '400'],
      'answers.0.answers.0.headers.date': [null, 'DATE'],
      'answers.0.answers.0.headers.server': [null, 'envoy'],
      'answers.0.answers.0.cut': ['unfinished', null],
      'answers.0.connection': ['closed', 'open'],
      'log.0.authority': [null, ''],
      'log.0.code': [0, 400],
      'log.0.details': ['http2.invalid.header.field', 'missing_host_header'],
      'log.0.flags': ['DPE', '-'],
      'log.0.method': [null, 'GET'],
      'log.0.path': [null, '/'],
    },
  },
  stats: {
    why: 'follows from the empty host above',
    differs: { 'http.main.downstream_rq_4xx': ['4', '5'] },
  },
};
