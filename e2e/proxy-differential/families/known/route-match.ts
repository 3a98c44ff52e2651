import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'CONNECT matcher': {
    why: 'an answer of the proxy to CONNECT ends the connection here; Envoy goes on with it',
    differs: { 'answers.0.answers.0.headers.content-length': ['7', null], 'answers.0.connection': ['open', 'closed'] },
  },
};
