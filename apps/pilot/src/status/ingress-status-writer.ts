import { ApiError, isRecord, type KubernetesApi } from '@xebec/config';
import { type Clock, errorText, type Logger } from '@xebec/core';
import type { IngressStatus } from '@xebec/platforms';
import { Rounds } from './rounds.ts';

export interface IngressStatusWriterOptions {
  readonly api: KubernetesApi;
  /** What the status of each Ingress of the mesh should say now. */
  readonly wanted: () => readonly IngressStatus[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Writes in one round; the rest waits for the next. */
const MAX_WRITES = 20;
const TIMEOUT_MS = 5_000;

/** Writes into the status of Ingresses where they are reached. It writes when that changes, and nothing where it may not. */
export class IngressStatusWriter {
  readonly #options: IngressStatusWriterOptions;
  /** What was written last, by path. */
  readonly #written = new Map<string, string>();
  readonly #rounds: Rounds;

  constructor(options: IngressStatusWriterOptions) {
    this.#options = options;
    this.#rounds = new Rounds(options.clock, (closed) => this.#round(closed));
  }
  start(): void {
    this.#rounds.start();
  }
  close(): void {
    this.#rounds.close();
  }

  async #round(closed: () => boolean): Promise<void> {
    const wanted = new Map(this.#options.wanted().map((status) => [pathOf(status), JSON.stringify(status.loadBalancer)]));
    for (const path of [...this.#written.keys()]) if (!wanted.has(path)) this.#written.delete(path);
    const due = [...wanted].filter(([path, text]) => this.#written.get(path) !== text).slice(0, MAX_WRITES);
    for (const [path, text] of due) if (!closed()) await this.#write(path, text);
  }
  async #write(path: string, text: string): Promise<void> {
    const { api, logger } = this.#options;
    try {
      const object = await api.get(path, AbortSignal.timeout(TIMEOUT_MS));
      const status = isRecord(object) && isRecord(object['status']) ? object['status'] : {};
      const loadBalancer: unknown = JSON.parse(text);
      const told = isRecord(status['loadBalancer']) ? status['loadBalancer'] : {};
      if (JSON.stringify(told['ingress'] ?? []) !== JSON.stringify(isRecord(loadBalancer) ? loadBalancer['ingress'] : [])) {
        const body = { status: { loadBalancer } };
        await api.send('PATCH', `${path}/status`, body, AbortSignal.timeout(TIMEOUT_MS), 'application/merge-patch+json');
      }
      this.#written.set(path, text);
    } catch (error) {
      // Gone or changed meanwhile: the next round sees what is there.
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) return;
      // Who may not write is told once, and tries again when there is something else to say.
      if (error instanceof ApiError && error.status === 403) this.#written.set(path, text);
      logger.warn({ path }, `writing the status of ${path} failed: ${errorText(error)}`);
    }
  }
}

function pathOf({ namespace, name }: IngressStatus): string {
  return `/apis/networking.k8s.io/v1/namespaces/${namespace}/ingresses/${name}`;
}
