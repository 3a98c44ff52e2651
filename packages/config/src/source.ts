import type { ConfigObject } from '@xebec/schemas';

/** What identifies an object whatever version it was written in: `group/Kind/namespace/name`. */
export type ObjectKey = string;

export function objectKey(object: {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly namespace: string; readonly name: string };
}): ObjectKey {
  const slash = object.apiVersion.indexOf('/');
  const group = slash === -1 ? '' : object.apiVersion.slice(0, slash);
  return `${group}/${object.kind}/${object.metadata.namespace}/${object.metadata.name}`;
}

export type ConfigChange =
  | { readonly type: 'upsert'; readonly key: ObjectKey; readonly object: ConfigObject; readonly previous: ConfigObject | undefined }
  | { readonly type: 'delete'; readonly key: ObjectKey; readonly previous: ConfigObject };

/** One thing wrong with what a source read: `bookinfo.yaml:12: spec.http[0].route: …`. */
export interface ConfigProblem {
  /** File, API path or peer. */
  readonly origin: string;
  /** From 1; 0 where there are no lines. */
  readonly line: number;
  readonly message: string;
}

export function problemText(problem: ConfigProblem): string {
  return problem.line > 0 ? `${problem.origin}:${problem.line}: ${problem.message}` : `${problem.origin}: ${problem.message}`;
}

/** Hears all changes that came together, in the order they happened. Never called with none. */
export type ConfigListener = (changes: readonly ConfigChange[]) => void;

/**
 * Where configuration comes from: the whole of it as a list, and changes as they happen. A source that loses its origin keeps
 * what it has and comes back by itself.
 */
export interface ConfigSource {
  readonly name: string;
  /** True once everything that was there at the start has been read; never false again. */
  readonly synced: boolean;
  list(): readonly ConfigObject[];
  /** Hears changes from now on; the returned function stops that. */
  subscribe(listener: ConfigListener): () => void;
  /** Called once when `synced` becomes true, at once when it is. */
  onSynced(listener: () => void): void;
  /** What is wrong now with what the source read. */
  problems(): readonly ConfigProblem[];
  start(): Promise<void>;
  close(): Promise<void>;
}
