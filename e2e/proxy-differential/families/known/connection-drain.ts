import type { DifferentialFamily } from '../../harness/family.ts';

/** Where the two differ still. */
export const known: NonNullable<DifferentialFamily['known']> = {
  'max-1: HTTP/2, slow': {
    why: 'What a client sends while its connection closes is read to the end here; Envoy leaves it, and the connection ends with a reset.',
    differs: {
      'answers.0.connection': ['reset', 'closed'],
    },
  },
  'duration: HTTP/2, slow': {
    why: 'What a client sends while its connection closes is read to the end here; Envoy leaves it, and the connection ends with a reset.',
    differs: {
      'answers.0.connection': ['reset', 'closed'],
    },
  },
  'no-delay: HTTP/2, slow': {
    why: 'What a client sends while its connection closes is read to the end here; Envoy leaves it, and the connection ends with a reset.',
    differs: {
      'answers.0.connection': ['reset', 'closed'],
    },
  },
};
