import type { V1Pod } from '@kubernetes/client-node';
import { type Clock, errorText, type Logger } from '@xebec/core';
import type { KubeClient } from './kube-client.ts';

export interface EventRecorderOptions {
  readonly client: Pick<KubeClient, 'post' | 'mergePatch'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string;
}

/** Events remembered for counting: the oldest is forgotten, and would be written anew. */
const MAX_REMEMBERED = 1000;
const MAX_MESSAGE_CHARACTERS = 1000;

/** Writes the Events of pods. The same event again raises the count of the first, as the kubelet's recorder does. */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #known = new Map<string, { readonly path: string; count: number }>();
  #number = 0;
  /** One write at a time: a count never overtakes the event it belongs to. */
  #writing = Promise.resolve();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(pod: V1Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { logger } = this.#options;
    logger.debug({ pod: `${pod.metadata?.namespace}/${pod.metadata?.name}`, reason }, message);
    this.#writing = this.#writing
      .then(() => this.#write(pod, type, reason, message.slice(0, MAX_MESSAGE_CHARACTERS)))
      .catch((error: unknown) => logger.debug({ reason }, errorText(error)));
  }

  /** Resolves when everything recorded so far was written or given up. */
  flushed(): Promise<void> {
    return this.#writing;
  }

  async #write(pod: V1Pod, type: string, reason: string, message: string): Promise<void> {
    const { client, clock, nodeName } = this.#options;
    const { name, namespace, uid } = pod.metadata ?? {};
    const now = new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z');
    const key = JSON.stringify([uid, type, reason, message]);
    const known = this.#known.get(key);
    // The last event stays the youngest.
    this.#known.delete(key);
    if (known !== undefined) {
      known.count++;
      // A patch that fails forgets the event, which may have been deleted: the next one is written anew.
      await client.mergePatch(known.path, { count: known.count, lastTimestamp: now });
      this.#known.set(key, known);
      return;
    }
    const eventName = `${name}.${clock.now().toString(16)}${(this.#number++).toString(16)}`;
    const collection = `/api/v1/namespaces/${namespace}/events`;
    await client.post(collection, {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: eventName, namespace },
      involvedObject: { apiVersion: 'v1', kind: 'Pod', name, namespace, uid },
      type,
      reason,
      message,
      source: { component: 'xebec-node', host: nodeName },
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      reportingComponent: 'xebec-node',
      reportingInstance: nodeName,
    });
    this.#known.set(key, { path: `${collection}/${eventName}`, count: 1 });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MAX_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
  }
}
