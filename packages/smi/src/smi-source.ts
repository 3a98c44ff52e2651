import { type ConfigProblem, type ConfigSource, ObjectStore, objectKey } from '@xebec/config';
import type { Logger } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import { convertSmi } from './convert.ts';
import { isSmi } from './kinds.ts';
import { type SmiProblem, smiProblemText } from './problem.ts';

/** A source with what its SMI objects stand for in their place. Each batch of changes stays one batch. */
export function createSmiSource(source: ConfigSource, logger: Logger, domain = 'cluster.local'): ConfigSource {
  const store = new ObjectStore();
  const smi = new Map<string, ConfigObject>();
  const routes = new Map<string, ConfigObject>();
  let made = new Map<string, ConfigObject>();
  let problems: readonly SmiProblem[] = [];

  /** Of what is wrong and was not before; until all is there, what an object names may just not have come yet. */
  const warn = (known: ReadonlySet<string>): void => {
    if (!store.synced) return;
    for (const text of problems.map(smiProblemText)) if (!known.has(text)) logger.warn({ source: 'smi' }, text);
  };
  const convert = (): { upserts: readonly ConfigObject[]; deletions: readonly string[] } => {
    const conversion = convertSmi(smi.values(), routes.values(), domain);
    const known = new Set(problems.map(smiProblemText));
    problems = conversion.problems;
    warn(known);
    const before = made;
    made = new Map(conversion.objects.map((object) => [objectKey(object), object]));
    return {
      upserts: [...made].filter(([key, object]) => JSON.stringify(before.get(key)) !== JSON.stringify(object)).map(([, object]) => object),
      deletions: [...before.keys()].filter((key) => !made.has(key)),
    };
  };
  /** Whether a change can alter what SMI objects stand for. */
  const note = (key: string, object: ConfigObject, isThere: boolean): boolean => {
    const map = isSmi(object) ? smi : object.kind === 'VirtualService' ? routes : undefined;
    if (map === undefined) return false;
    if (isThere) map.set(key, object);
    else map.delete(key);
    return map === smi || smi.size > 0;
  };
  const take = (upserts: readonly ConfigObject[], deletions: readonly { key: string; previous: ConfigObject }[]): void => {
    let affected = false;
    for (const object of upserts) affected = note(objectKey(object), object, true) || affected;
    for (const { key, previous } of deletions) affected = note(key, previous, false) || affected;
    const own = upserts.filter((object) => !isSmi(object));
    const gone = deletions.filter(({ previous }) => !isSmi(previous)).map(({ key }) => key);
    const converted = affected ? convert() : { upserts: [], deletions: [] };
    store.apply([...own, ...converted.upserts], [...gone, ...converted.deletions]);
  };
  const unsubscribe = source.subscribe((changes) => {
    take(
      changes.flatMap((change) => (change.type === 'upsert' ? change.object : [])),
      changes.flatMap((change) => (change.type === 'delete' ? { key: change.key, previous: change.previous } : [])),
    );
  });
  source.onSynced(() => {
    store.markSynced();
    warn(new Set());
  });
  return {
    name: source.name,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: (): readonly ConfigProblem[] => [
      ...source.problems(),
      ...problems.map((problem) => ({
        origin: `${problem.kind} ${problem.namespace}/${problem.name}`,
        line: 0,
        message: `${problem.path}: ${problem.message}`,
      })),
    ],
    start: () => source.start(),
    close: async () => {
      unsubscribe();
      await source.close();
    },
  };
}
