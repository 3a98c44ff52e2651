import { Backoff, type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { type KubeClient, KubeError, type KubeObject } from './kube-client.ts';

export interface ReflectorOptions {
  readonly client: KubeClient;
  /** The list's path: `/api/v1/pods`. */
  readonly path: string;
  /** Extra query: `fieldSelector=spec.nodeName%3Dlocal`. */
  readonly query?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  onChange(): void;
}

/** Keeps a copy of a list, by list and watch; survives a server that goes away. */
export class Reflector<T extends KubeObject> {
  readonly items = new Map<string, T>();
  /** Whether a list ever arrived: before that an absent object means nothing. */
  synced = false;
  readonly #options: ReflectorOptions;
  readonly #stop = new AbortController();
  readonly #backoff: Backoff;

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ baseMs: 50, maxMs: 2000 }, options.random);
  }

  start(): this {
    void this.#run();
    return this;
  }
  close(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { client, path, query, logger } = this.#options;
    const suffix = query === undefined ? '' : `&${query}`;
    while (!this.#stop.signal.aborted) {
      try {
        const list = await client.get<{ apiVersion?: string; metadata?: { resourceVersion?: string }; items?: T[] }>(
          `${path}?limit=100000${suffix}`,
        );
        this.items.clear();
        for (const item of list.items ?? []) this.items.set(keyOf(item), item);
        this.synced = true;
        this.#backoff.reset();
        this.#options.onChange();
        let version = list.metadata?.resourceVersion ?? '0';
        for (;;) {
          let gone = false;
          await client.watch<T>(
            `${path}?watch=1&allowWatchBookmarks=true&resourceVersion=${version}${suffix}`,
            (event) => {
              if (event.type === 'ERROR') {
                gone = true;
                return;
              }
              version = event.object.metadata?.resourceVersion ?? version;
              if (event.type === 'BOOKMARK') return;
              if (event.type === 'DELETED') this.items.delete(keyOf(event.object));
              else this.items.set(keyOf(event.object), event.object);
              this.#options.onChange();
            },
            this.#stop.signal,
          );
          if (gone || this.#stop.signal.aborted) break;
          await this.#pause(50);
        }
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (!(error instanceof KubeError && error.status === 410)) logger.debug({ path }, errorText(error));
        await this.#pause(this.#backoff.nextMs());
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.setTimeout(resolve, ms);
    });
  }
}

function keyOf(object: KubeObject): string {
  return `${object.metadata?.namespace ?? ''}/${object.metadata?.name ?? ''}`;
}
