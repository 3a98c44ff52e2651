import type { Clock, Logger, Random } from '@xebec/core';
import { type ConfigObject, kinds } from '@xebec/schemas';
import { decodeAny, objectMeta, PLATFORM_KINDS } from './decode.ts';
import type { KubernetesApi } from './kubernetes-api.ts';
import { ObjectStore } from './object-store.ts';
import { startReflector } from './reflector.ts';
import { type ConfigProblem, type ConfigSource, type ObjectKey, objectKey, problemText } from './source.ts';

/** One resource path to watch, and what its objects are. */
export interface WatchedKind {
  readonly apiVersion: string;
  readonly kind: string;
  readonly path: string;
  /** Such as `metadata.name=istio`. */
  readonly fieldSelector?: string;
  /** Kinds that the mesh can do without: where reading them is forbidden, there are none. */
  readonly optional?: boolean;
}

/** The mesh's own kinds, each in its storage version. */
export function meshKinds(groups?: ReadonlySet<string>): readonly WatchedKind[] {
  return kinds
    .filter(({ group }) => groups === undefined || groups.has(group))
    .map(({ group, versions, kind, plural }) => ({
      apiVersion: `${group}/${versions[0]}`,
      kind,
      path: `/apis/${group}/${versions[0]}/${plural}`,
    }));
}

/** Kinds of the platform by `apiVersion/Kind`, such as `v1/Service`. */
export function platformKinds(names: readonly string[]): readonly WatchedKind[] {
  return names.flatMap((name) => {
    const path = PLATFORM_KINDS[name];
    const slash = name.lastIndexOf('/');
    return path === undefined ? [] : [{ apiVersion: name.slice(0, slash), kind: name.slice(slash + 1), path }];
  });
}

export interface KubernetesSourceOptions {
  readonly api: KubernetesApi;
  readonly watched: readonly WatchedKind[];
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * The objects of an API server. An object that does not pass validation (stored before the webhook was there) is reported and
 * left out, or stays as it was when it was right before.
 */
export function createKubernetesSource(options: KubernetesSourceOptions): ConfigSource {
  const store = new ObjectStore();
  const problems = new Map<ObjectKey, ConfigProblem>();
  const unlisted = new Set(options.watched.map((watched) => watched.path));
  const reflectors: { close(): Promise<void> }[] = [];

  /** The decoded object; undefined when it is wrong, which is reported. */
  const decode = (watched: WatchedKind, raw: Record<string, unknown>): { key: ObjectKey; object: ConfigObject | undefined } => {
    // Items of a list carry neither apiVersion nor kind.
    const whole = { apiVersion: watched.apiVersion, kind: watched.kind, ...raw };
    const key = objectKey({ ...watched, metadata: objectMeta(whole, '') });
    const decoded = decodeAny(whole, { defaultNamespace: '' });
    if (decoded.ok) {
      problems.delete(key);
      return { key, object: decoded.value };
    }
    const problem = { origin: key, line: 0, message: decoded.error.map(({ path, message }) => `${path}: ${message}`).join('; ') };
    if (problems.get(key)?.message !== problem.message) options.logger.error({ source: 'kubernetes' }, problemText(problem));
    problems.set(key, problem);
    return { key, object: undefined };
  };
  const handlerFor = (watched: WatchedKind) => {
    const prefix = objectKey({ ...watched, metadata: { namespace: '', name: '' } }).slice(0, -1);
    return {
      onList: (items: readonly Record<string, unknown>[]) => {
        const decoded = items.map((item) => decode(watched, item));
        const refused = new Set(decoded.filter(({ object }) => object === undefined).map(({ key }) => key));
        store.replace(
          decoded.flatMap(({ object }) => object ?? []),
          (key) => key.startsWith(prefix) && !refused.has(key),
        );
        unlisted.delete(watched.path);
        if (unlisted.size === 0) store.markSynced();
      },
      onEvent: (type: 'ADDED' | 'MODIFIED' | 'DELETED', raw: Record<string, unknown>) => {
        if (type === 'DELETED') {
          const key = objectKey({ ...watched, metadata: objectMeta(raw, '') });
          problems.delete(key);
          store.apply([], [key]);
          return;
        }
        const { object } = decode(watched, raw);
        if (object !== undefined) store.apply([object]);
      },
    };
  };
  return {
    name: 'Kubernetes',
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => [...problems.values()],
    start: async () => {
      if (options.watched.length === 0) store.markSynced();
      for (const watched of options.watched) {
        const { fieldSelector, path, optional = false } = watched;
        const { api, clock, random, logger } = options;
        const selector = fieldSelector === undefined ? {} : { fieldSelector };
        reflectors.push(startReflector({ api, path, handler: handlerFor(watched), optional, clock, random, logger, ...selector }));
      }
    },
    close: async () => {
      await Promise.all(reflectors.map((reflector) => reflector.close()));
    },
  };
}
