import { errorText, type Logger } from '@xebec/core';
import type { StoreEvent } from '../apiserver/store.ts';
import type { ControllerClient } from './client.ts';

/** A controller: which objects an event makes it look at, and what it does for one. */
export interface Controller {
  readonly name: string;
  /** Keys to look at because of an event. */
  keysOf(event: StoreEvent): readonly string[];
  /** Keys to look at when the server starts. */
  initialKeys(): readonly string[];
  /** Brings the world of one key closer to what is wanted. May return a delay in ms after which to look again. */
  reconcile(key: string): Promise<number | undefined>;
}

interface Item {
  running: boolean;
  dirty: boolean;
  failures: number;
  cancel: (() => void) | undefined;
}

const FIRST_RETRY_MS = 20;
const MAX_RETRY_MS = 10_000;

/** Runs a controller: one key at a time is looked at once per burst of events, again after failures, later as asked. */
export class ControllerLoop {
  readonly #controller: Controller;
  readonly #client: ControllerClient;
  readonly #logger: Logger;
  readonly #items = new Map<string, Item>();
  readonly #unsubscribe: () => void;
  #active = 0;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(controller: Controller, client: ControllerClient, logger: Logger) {
    this.#controller = controller;
    this.#client = client;
    this.#logger = logger;
    this.#unsubscribe = client.engine.store.subscribe((event) => {
      for (const key of controller.keysOf(event)) this.#mark(key);
    });
    for (const key of controller.initialKeys()) this.#mark(key);
  }

  #mark(key: string): void {
    if (this.#closed) return;
    let item = this.#items.get(key);
    if (item === undefined) {
      item = { running: false, dirty: false, failures: 0, cancel: undefined };
      this.#items.set(key, item);
    }
    if (item.dirty) return;
    item.dirty = true;
    // A later turn: events of one commit batch are looked at together, and never inside the commit.
    if (!item.running) setImmediate(() => void this.#run(key, item));
  }

  async #run(key: string, item: Item): Promise<void> {
    if (this.#closed || item.running || !item.dirty) return;
    item.running = true;
    item.dirty = false;
    item.cancel?.();
    item.cancel = undefined;
    this.#active++;
    let again: number | undefined;
    try {
      again = await this.#controller.reconcile(key);
      item.failures = 0;
    } catch (error) {
      if (!this.#closed)
        this.#logger.warn({ controller: this.#controller.name, key, error: errorText(error) }, 'reconcile failed, will retry');
      again = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(item.failures++, 16));
    }
    this.#active--;
    item.running = false;
    if (this.#active === 0) this.#idle?.();
    if (this.#closed) return;
    if (item.dirty) setImmediate(() => void this.#run(key, item));
    else if (again !== undefined) item.cancel = this.#client.engine.clock.setTimeout(() => this.#mark(key), again);
    else this.#items.delete(key);
  }

  /** Stops; waits for what is under way. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    for (const item of this.#items.values()) item.cancel?.();
    if (this.#active > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
  }
}

/** `namespace/name`, the usual key. */
export function keyOfObject({ metadata }: StoreEvent['object']): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

export function splitKey(key: string): [namespace: string, name: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}
