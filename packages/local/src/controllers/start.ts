import type { Logger } from '@xebec/core';
import type { ObjectEngine } from '../apiserver/engine.ts';
import { bootstrapCluster } from './bootstrap.ts';
import { ControllerClient } from './client.ts';
import { customResourceController } from './custom-resource.ts';
import { daemonSetController } from './daemon-set.ts';
import { deploymentController } from './deployment.ts';
import { endpointsController } from './endpoints.ts';
import { endpointsMirror } from './endpoints-mirror.ts';
import { garbageCollector, podCollector } from './garbage-collector.ts';
import { jobController } from './job.ts';
import { type Controller, ControllerLoop } from './loop.ts';
import { namespaceController } from './namespace.ts';
import { replicaSetController } from './replica-set.ts';
import { scheduler } from './scheduler.ts';
import { statefulSetController } from './stateful-set.ts';

export interface ControllersOptions {
  readonly engine: ObjectEngine;
  readonly logger: Logger;
  /** The API server's authority, published to every namespace. */
  readonly clusterCa: string;
  /** The first address of the service range, which is the `kubernetes` service's. */
  readonly apiServiceIp: string;
  /** Where that service leads. */
  readonly apiHost: string;
  readonly apiPort: number;
}

/** Starts all controllers, then creates what every cluster has. */
export async function startControllers({
  engine,
  logger,
  clusterCa,
  apiServiceIp,
  apiHost,
  apiPort,
}: ControllersOptions): Promise<{ close(): Promise<void> }> {
  const run = (name: string, make: (client: ControllerClient) => Controller) => {
    const client = new ControllerClient(engine, name);
    return new ControllerLoop(make(client), client, logger);
  };
  const loops = [
    run('customresource-controller', customResourceController),
    run('namespace-controller', (client) => namespaceController(client, clusterCa)),
    run('generic-garbage-collector', garbageCollector),
    run('pod-garbage-collector', podCollector),
    run('deployment-controller', deploymentController),
    run('replicaset-controller', replicaSetController),
    run('statefulset-controller', statefulSetController),
    run('daemonset-controller', daemonSetController),
    run('job-controller', jobController),
    run('default-scheduler', scheduler),
    run('endpointslice-controller', endpointsController),
    run('endpointslicemirroring-controller', endpointsMirror),
  ];
  await bootstrapCluster(new ControllerClient(engine, 'apiserver'), apiServiceIp, apiPort, apiHost);
  return { close: async () => void (await Promise.all(loops.map((loop) => loop.close()))) };
}
