import type { WorkloadDirectory } from '@xebec/adapters';
import { type KubernetesApi, startReflector } from '@xebec/config';
import type { Clock, Logger, Random } from '@xebec/core';
import { INNER_CONTROLLERS, PodDirectory } from './pod-directory.ts';

export interface WatchedWorkloads {
  readonly directory: WorkloadDirectory;
  /** Pods that are known. */
  readonly pods: () => number;
  /** Whether the pods that there were at the start are known. */
  readonly synced: () => boolean;
  close(): Promise<void>;
}

export interface WatchOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** Keeps a directory of the cluster's pods and of what controls them. What may not be read counts as absent. */
export function watchWorkloads({ api, clock, random, logger }: WatchOptions): WatchedWorkloads {
  const directory = new PodDirectory();
  let listed = false;
  const context = { api, clock, random, logger, optional: true };
  const reflectors = [
    startReflector({
      ...context,
      path: '/api/v1/pods',
      handler: {
        onList: (items) => {
          directory.setPods(items);
          listed = true;
        },
        onEvent: (type, object) => (type === 'DELETED' ? directory.deletePod(object) : directory.upsertPod(object)),
      },
    }),
    ...Object.entries(INNER_CONTROLLERS).map(([kind, path]) =>
      startReflector({
        ...context,
        path,
        handler: {
          onList: (items) => directory.setControllers(kind, items),
          onEvent: (type, object) =>
            type === 'DELETED' ? directory.deleteController(kind, object) : directory.upsertController(kind, object),
        },
      }),
    ),
  ];
  return {
    directory,
    pods: () => directory.size,
    synced: () => listed,
    close: async () => {
      await Promise.all(reflectors.map((reflector) => reflector.close()));
    },
  };
}
