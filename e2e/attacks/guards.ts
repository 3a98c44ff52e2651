import { join } from 'node:path';

/** A piece of source that keeps an attack out, and what stands there in a build without it. */
export interface CodeGuard {
  /** Path below the repository. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const PRELOAD = join(import.meta.dirname, 'remove-guards.mjs');

/** The environment in which a process of ours runs without these guards. */
export function withoutGuards(guards: readonly CodeGuard[]): NodeJS.ProcessEnv {
  return { NODE_OPTIONS: `--import=${PRELOAD}`, XEBEC_E2E_WITHOUT: JSON.stringify(guards) };
}
