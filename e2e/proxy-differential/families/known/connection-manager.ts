import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'preserved case': {
    why: 'the stateful formatter preserve_case is not executed: names are lower-case',
    differs: {
      'answers.0.answers.0.headers.X-MiXeD': ['v', null],
      'answers.0.answers.0.headers.x-mixed': [null, 'v'],
      'seen.0.headers.X-a-B': ['c', null],
      'seen.0.headers.x-a-b': [null, 'c'],
    },
  },
  'preserved case downstream only': {
    why: 'the stateful formatter preserve_case is not executed: names are lower-case',
    differs: { 'seen.0.headers.X-a-B': ['c', null], 'seen.0.headers.x-a-b': [null, 'c'] },
  },
  'several equal headers': {
    why: 'fields that came several times stay several fields; Envoy joins those that it keeps apart from the others (accept, content-type, user-agent) with a comma, which is the same list',
    differs: {
      'answers.0.answers.0.headers.content-type': ['a/b,c/d', ['a/b', 'c/d']],
      'seen.0.headers.accept': ['x,y', ['x', 'y']],
      'seen.0.headers.content-type': ['a/b,c/d', ['a/b', 'c/d']],
      'seen.0.headers.user-agent': ['u,v', ['u', 'v']],
    },
  },
};
