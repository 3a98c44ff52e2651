import type { KnownDifference } from '../proxy-differential/harness/family.ts';

/** Where the two differ, by script and transport. */
export const known: Readonly<Record<string, KnownDifference>> = {
  'refused clusters (ads-sotw)': {
    why: 'A cluster that is refused is not counted as added.',
    differs: {
      'has no sense.stats.cluster_manager.cluster_added': ['3', '2'],
      'good again.stats.cluster_manager.cluster_added': ['3', '2'],
      'twice the same name.stats.cluster_manager.cluster_added': ['3', '2'],
      'good at last.stats.cluster_manager.cluster_added': ['3', '2'],
    },
  },
  'refused clusters (ads-delta)': {
    why: 'A cluster that is refused is not counted as added.',
    differs: {
      'has no sense.stats.cluster_manager.cluster_added': ['3', '2'],
      'good again.stats.cluster_manager.cluster_added': ['3', '2'],
      'twice the same name.stats.cluster_manager.cluster_added': ['3', '2'],
      'good at last.stats.cluster_manager.cluster_added': ['3', '2'],
    },
  },
  'refused clusters (sotw)': {
    why: 'A cluster that is refused is not counted as added.',
    differs: {
      'has no sense.stats.cluster_manager.cluster_added': ['3', '2'],
      'good again.stats.cluster_manager.cluster_added': ['3', '2'],
      'twice the same name.stats.cluster_manager.cluster_added': ['3', '2'],
      'good at last.stats.cluster_manager.cluster_added': ['3', '2'],
    },
  },
  'refused clusters (delta)': {
    why: 'A cluster that is refused is not counted as added.',
    differs: {
      'has no sense.stats.cluster_manager.cluster_added': ['3', '2'],
      'good again.stats.cluster_manager.cluster_added': ['3', '2'],
      'twice the same name.stats.cluster_manager.cluster_added': ['3', '2'],
      'good at last.stats.cluster_manager.cluster_added': ['3', '2'],
    },
  },
  'warming of clusters and listeners (ads-sotw)': {
    why: 'A listener that is replaced lets go of its routes at once, and Envoy when it has drained; Envoy acknowledges clusters when they are warm.',
    differs: {
      'its routes.requests.rds': [
        [{ version: '5', names: ['later', 'routes'], hasNode: true, answers: true }],
        [
          { version: '5', names: ['later', 'routes'], hasNode: true, answers: true },
          { version: '5', names: ['later'], hasNode: true, answers: true },
          { version: '5', names: ['later'], hasNode: true, answers: true },
        ],
      ],
      'its routes.stats.http.http.rds.later.update_success': ['1', '2'],
      'a cluster that waits.requests.cds': [null, [{ version: '6', names: [], hasNode: true, answers: true }]],
      'a cluster that waits.stats.http.http.rds.later.update_success': ['1', '2'],
      'its endpoints.requests.cds': [[{ version: '6', names: [], hasNode: true, answers: true }], null],
      'its endpoints.stats.http.http.rds.later.update_success': ['1', '2'],
    },
  },
};
