import { changeKey, contentOfRaw, diffChanges, planRollback, type StoredObject, versionsBetween } from '@xebec/history';
import { KubeObjects } from '../apply/kube-objects.ts';
import { planContents } from '../apply/plan.ts';
import { type WriteOptions, write } from '../apply/run.ts';
import { CommandFailure, EXIT } from '../exit.ts';
import { loadKubeConfig } from '../kube/connection.ts';
import { parseVersion, readFromServer } from './read-history.ts';

export type RollbackOptions = WriteOptions;

/** Brings configuration back to what it was when a version took effect; without one, undoes the newest. */
export async function run(version: string | undefined, options: RollbackOptions): Promise<void> {
  const config = loadKubeConfig(options);
  const objects = new KubeObjects(config);
  const history = await readFromServer(objects);
  const newest = history.at(-1)?.number ?? 0;
  const target = parseVersion(version ?? String(Math.max(0, newest - 1)), history);
  const undone = versionsBetween(history, target, newest);
  if (undone === undefined) throw new CommandFailure(`not every version from v${target + 1} to v${newest} is kept`, EXIT.data);
  const live = new Map<string, StoredObject | undefined>();
  for (const change of undone.flatMap(({ changes }) => changes)) {
    const key = changeKey(change);
    const content = change.after ?? change.before;
    if (content === undefined || live.has(key)) continue;
    const raw = await objects.read({ ...content, metadata: named(content) });
    live.set(key, raw === undefined ? undefined : contentOfRaw(raw));
  }
  const { namespace } = options;
  const changes = planRollback(
    undone,
    (key) => live.get(key),
    ({ metadata }) => namespace === undefined || metadata.namespace === namespace,
  );
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`;
  if (changes.length === 0) {
    console.error(`nothing to do: configuration${where} is as it was with v${target}`);
    return;
  }
  if (options.dryRun === true) process.stdout.write(diffChanges(changes));
  const contents = changes.flatMap((change) => {
    const content = change.after ?? change.before;
    return content === undefined ? [] : [{ reference: { ...content, metadata: named(content) }, target: change.after }];
  });
  const writes = await planContents(objects, contents);
  const message = options.message ?? `rollback to v${target}${where}`;
  if (options.dryRun === true) {
    console.error(`${writes.length} ${writes.length === 1 ? 'object' : 'objects'} would change (dry run); analysis follows`);
    await write(config, objects, writes, { ...options, message }, () => undefined);
    return;
  }
  const became = await write(config, objects, writes, { ...options, message }, ({ what, removes }) =>
    process.stdout.write(`${what} ${removes ? 'removed' : 'restored'}\n`),
  );
  const count = changes.length === 1 ? '1 object' : `${changes.length} objects`;
  console.error(`configuration${where} is as it was with v${target}: ${count}${became === undefined ? '' : `, version ${became}`}`);
}

function named({ metadata }: StoredObject): { name: string; namespace?: string } {
  return { name: metadata.name, ...(metadata.namespace === '' ? {} : { namespace: metadata.namespace }) };
}
