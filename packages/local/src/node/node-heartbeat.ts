import { arch, cpus, platform, release, totalmem } from 'node:os';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { type KubeClient, KubeError } from './kube-client.ts';

export interface HeartbeatOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly address: string;
  readonly mode: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PERIOD_MS = 10_000;
const RETRY_MS = 100;

/** Registers the Node, keeps it Ready and its lease fresh. */
export class NodeHeartbeat {
  registered = false;
  #bootId = '';
  readonly #options: HeartbeatOptions;
  #closed = false;
  #cancel: (() => void) | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }
  start(): void {
    void this.#beat();
  }
  /** Every pod's state of this run is published: the Node's `bootID` says so, and whoever waits may believe the statuses. */
  announceRun(bootId: string): void {
    this.#bootId = bootId;
    this.registered = false;
    this.#cancel?.();
    void this.#beat();
  }
  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  async #beat(): Promise<void> {
    const { clock, logger } = this.#options;
    let again = PERIOD_MS;
    try {
      if (!this.registered) await this.#register();
      await this.#renew();
      this.registered = true;
    } catch (error) {
      logger.debug({}, `node registration: ${errorText(error)}`);
      this.registered = false;
      again = RETRY_MS;
    }
    if (!this.#closed) this.#cancel = clock.setTimeout(() => void this.#beat(), again);
  }

  async #register(): Promise<void> {
    const { client, nodeName, address, mode } = this.#options;
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: nodeName,
        labels: {
          'kubernetes.io/hostname': nodeName,
          'kubernetes.io/os': platform(),
          'kubernetes.io/arch': arch(),
          'xebec.dev/capture-mode': mode,
        },
      },
      spec: { podCIDR: '10.244.0.0/16' },
    };
    await unless(409, client.post('/api/v1/nodes', node));
    const capacity = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '250' };
    const now = this.#now();
    await client.mergePatch(`/api/v1/nodes/${nodeName}/status`, {
      status: {
        capacity,
        allocatable: capacity,
        addresses: [
          { type: 'InternalIP', address },
          { type: 'Hostname', address: nodeName },
        ],
        conditions: [
          {
            type: 'Ready',
            status: 'True',
            reason: 'KubeletReady',
            message: `pods run as processes (${mode})`,
            lastHeartbeatTime: now,
            lastTransitionTime: now,
          },
        ],
        nodeInfo: {
          architecture: arch(),
          operatingSystem: platform(),
          kernelVersion: release(),
          osImage: 'this machine',
          containerRuntimeVersion: `xebec://${mode}`,
          kubeletVersion: 'v1.34.0-xebec',
          kubeProxyVersion: 'v1.34.0-xebec',
          machineID: '',
          systemUUID: '',
          bootID: this.#bootId,
        },
      },
    });
  }

  async #renew(): Promise<void> {
    const { client, nodeName } = this.#options;
    const path = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    const spec = {
      holderIdentity: nodeName,
      leaseDurationSeconds: 40,
      renewTime: new Date(this.#options.clock.now()).toISOString().replace('Z', '000Z'),
    };
    try {
      await client.mergePatch(`${path}/${nodeName}`, { spec });
    } catch (error) {
      if (!(error instanceof KubeError && error.status === 404)) throw error;
      // A server without leases, or without their namespace, still has the Node's own status.
      await unless(
        404,
        client.post(path, {
          apiVersion: 'coordination.k8s.io/v1',
          kind: 'Lease',
          metadata: { name: nodeName, namespace: 'kube-node-lease' },
          spec,
        }),
      );
    }
  }

  #now(): string {
    return new Date(this.#options.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
  }
}

async function unless(status: number, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof KubeError && error.status === status)) throw error;
  }
}
