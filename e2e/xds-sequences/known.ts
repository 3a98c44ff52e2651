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
};
