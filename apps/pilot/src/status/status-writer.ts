import { ApiError, isRecord, type KubernetesApi } from '@xebec/config';
import { type Clock, errorText, type Logger } from '@xebec/core';
import { kinds } from '@xebec/schemas';
import type { ObjectProgress, Progress } from './object-progress.ts';
import { Rounds } from './rounds.ts';

export interface StatusWriterOptions {
  readonly api: KubernetesApi;
  readonly progress: ObjectProgress;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Writes in one round; the rest waits for the next, so that a big change does not flood the API server. */
const MAX_WRITES = 20;
/** Until then a proxy that has not answered is nothing to tell. */
const PATIENCE_MS = 5_000;
const TIMEOUT_MS = 5_000;
const CONDITION = 'Reconciled';

/** What was written last about an object. */
interface Written {
  readonly generation: number;
  readonly live: boolean;
}

/**
 * Writes into the status of each object whether its current generation is live: condition `Reconciled` and
 * `observedGeneration`. It writes when that becomes true, when it becomes false, and for a new generation; that proxies come and
 * go is no reason to write.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #written = new Map<string, Written>();
  readonly #pendingSince = new Map<string, number>();
  readonly #forbidden = new Set<string>();
  readonly #rounds: Rounds;

  constructor(options: StatusWriterOptions) {
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
    const due = this.#due().slice(0, MAX_WRITES);
    for (const progress of due) {
      if (closed()) return;
      await this.#write(progress);
    }
  }
  #due(): readonly Progress[] {
    const { progress, clock } = this.#options;
    const now = clock.monotonic();
    const list = progress.list({ kind: '', namespace: '', name: '', generation: 1 });
    const present = new Set(list.map(keyOf));
    for (const map of [this.#written, this.#pendingSince]) for (const key of [...map.keys()]) if (!present.has(key)) map.delete(key);
    return list.filter((one) => {
      if (this.#forbidden.has(one.kind) || one.proxies === 0) return false;
      const key = keyOf(one);
      const known = this.#written.get(key);
      if (one.state !== 'pending') this.#pendingSince.delete(key);
      else if (!this.#pendingSince.has(key)) this.#pendingSince.set(key, now);
      const waited = now - (this.#pendingSince.get(key) ?? now);
      if (one.state === 'pending' && waited < PATIENCE_MS) return false;
      return known?.generation !== one.generation || known.live !== (one.state === 'live');
    });
  }
  async #write(progress: Progress): Promise<void> {
    const { api, logger, clock } = this.#options;
    const definition = kinds.find(({ kind }) => kind === progress.kind);
    if (definition === undefined) return;
    const { group, versions, plural } = definition;
    const path = `/apis/${group}/${versions[0]}/namespaces/${progress.namespace}/${plural}/${progress.name}`;
    try {
      const object = await api.get(path, AbortSignal.timeout(TIMEOUT_MS));
      const { metadata, status } = isRecord(object) ? object : {};
      const { generation, resourceVersion } = isRecord(metadata) ? metadata : {};
      // A newer generation is on its way here: it will be written about when it is live.
      if (generation !== progress.generation) return;
      const existing = isRecord(status) && Array.isArray(status['conditions']) ? status['conditions'].filter(isRecord) : [];
      const next = conditionOf(progress, existing, clock.now());
      const told = existing.find(({ type }) => type === CONDITION);
      const same = isRecord(status) && status['observedGeneration'] === generation && told?.['status'] === next['status'];
      if (same && told?.['reason'] === next['reason']) {
        this.#written.set(keyOf(progress), { generation: progress.generation, live: progress.state === 'live' });
        return;
      }
      const conditions = [...existing.filter(({ type }) => type !== CONDITION), next];
      const body = { metadata: { resourceVersion }, status: { conditions, observedGeneration: progress.generation } };
      await api.send('PATCH', `${path}/status`, body, AbortSignal.timeout(TIMEOUT_MS), 'application/merge-patch+json');
      this.#written.set(keyOf(progress), { generation: progress.generation, live: progress.state === 'live' });
    } catch (error) {
      // Somebody else wrote meanwhile, or the object is gone: the next round sees what is there.
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) return;
      if (error instanceof ApiError && error.status === 403) this.#forbidden.add(progress.kind);
      logger.warn({ kind: progress.kind, name: progress.name }, `writing the status of ${keyOf(progress)} failed: ${errorText(error)}`);
    }
  }
}

function keyOf({ kind, namespace, name }: Progress): string {
  return `${kind}/${namespace}/${name}`;
}

function conditionOf(progress: Progress, existing: readonly Record<string, unknown>[], now: number): Record<string, unknown> {
  const status = progress.state === 'live' ? 'True' : 'False';
  const before = existing.find(({ type }) => type === CONDITION);
  const time = new Date(now).toISOString().replace(/\.\d+Z$/, 'Z');
  const lastTransitionTime = before?.['status'] === status ? before['lastTransitionTime'] : time;
  return { type: CONDITION, status, reason: reasonOf(progress), message: progressText(progress), lastProbeTime: time, lastTransitionTime };
}

function reasonOf({ state }: Progress): string {
  return state === 'live' ? 'Live' : state === 'rejected' ? 'Rejected' : 'Waiting';
}

/** `live on 37 of 37 proxies`, and who refuses it and why. */
function progressText({ live, proxies, rejected }: Progress): string {
  const [first] = rejected;
  const refusal = first === undefined ? '' : `; ${first.proxy} refuses ${first.type}: ${first.message}`;
  return `live on ${live} of ${proxies} proxies${refusal}`.slice(0, 1_000);
}
