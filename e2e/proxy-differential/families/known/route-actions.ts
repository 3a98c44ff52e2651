import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'direct 204': {
    why: 'a 204 has no content-length (RFC 9110 section 8.6); Envoy writes that of the body it leaves out',
    differs: { 'answers.0.answers.0.headers.content-length': ['8', null] },
  },
};
