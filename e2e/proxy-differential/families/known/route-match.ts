import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still; `open` ones are to go. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'runtime fraction by key': {
    why: 'open: runtime keys do not reach route matches yet',
    differs: {
      'answers.0.answers.0.headers.content-length': ['23', '7'],
      'answers.0.answers.0.body': ['runtime fraction by key', 'default'],
      'log.0.route': ['runtime fraction by key', 'default'],
      'log.0.sent': [23, 7],
    },
  },
  'runtime fraction off by key': {
    why: 'open: runtime keys do not reach route matches yet',
    differs: {
      'answers.0.answers.0.headers.content-length': ['7', '27'],
      'answers.0.answers.0.body': ['default', 'runtime fraction off by key'],
      'log.0.route': ['default', 'runtime fraction off by key'],
      'log.0.sent': [7, 27],
    },
  },
  'CONNECT matcher': {
    why: 'open: a tunnel that is answered without an upstream',
    differs: { 'answers.0.answers.0.headers.content-length': ['7', null], 'answers.0.connection': ['open', 'closed'] },
  },
};
