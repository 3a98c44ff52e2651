import type { AdapterDefinition } from './adapter.ts';
import { denier } from './denier/adapter.ts';
import { list } from './list/adapter.ts';
import { prometheus } from './prometheus/adapter.ts';
import { stdio } from './stdio/adapter.ts';

/** Adapters by the name that handlers give as `compiledAdapter`. */
export const adapters: ReadonlyMap<string, AdapterDefinition> = new Map(
  [denier, list, prometheus, stdio].map((adapter) => [adapter.name, adapter]),
);
