import type { Logger } from '@xebec/core';
import type { ObjectEngine } from '../apiserver/engine.ts';

export interface ControllersOptions {
  readonly engine: ObjectEngine;
  readonly logger: Logger;
  /** The API server's authority, published to every namespace. */
  readonly clusterCa: string;
}

/** Starts all controllers. */
export async function startControllers(_options: ControllersOptions): Promise<{ close(): Promise<void> }> {
  return { close: async () => undefined };
}
