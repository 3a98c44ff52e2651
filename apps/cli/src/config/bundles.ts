import { type Bundle, canonical, contentOfRaw, memberOf, type StoredObject } from '@xebec/history';
import { awaitInForce, isUnfinished, listBundles, removeBundle } from '../apply/bundle-writer.ts';
import { KubeObjects } from '../apply/kube-objects.ts';
import { inOrder, planContents } from '../apply/plan.ts';
import { CommandFailure, EXIT } from '../exit.ts';
import { type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { formatTable } from '../table.ts';

export interface BundlesOptions extends KubeOptions {
  readonly output: string;
}

const MAX_NAMED = 2;

/** Prints the bundles that the API server has, newest first. */
export async function list(options: BundlesOptions): Promise<void> {
  if (options.output !== 'short' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use short or json`, EXIT.usage);
  const objects = new KubeObjects(loadKubeConfig(options));
  const bundles = [...((await listBundles(objects)) ?? [])].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1));
  if (options.output === 'json') {
    const shown = bundles.map(({ changes, holders, ...bundle }) => ({ ...bundle, holders: [...holders], members: changes.map(memberOf) }));
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    return;
  }
  if (bundles.length === 0) {
    console.error('no bundles');
    return;
  }
  const rows = await Promise.all(bundles.map((bundle) => rowOf(objects, bundle)));
  process.stdout.write(formatTable(['BUNDLE', 'PHASE', 'OBJECTS', 'STORED', 'CLIENT', 'NOTE'], rows));
}

/** Stores the members that are missing: what a client that died would have done. */
export async function resume(id: string, options: KubeOptions): Promise<void> {
  const objects = new KubeObjects(loadKubeConfig(options));
  const bundle = await find(objects, id);
  const writes = await planContents(objects, targetsOf(bundle, 'after'));
  for (const item of inOrder(writes)) {
    await item.write(objects, { dryRun: false });
    process.stdout.write(`${item.what} ${item.removes ? 'removed' : 'stored'}\n`);
  }
  const { version } = await awaitInForce(objects, id);
  console.error(`bundle ${id} is in force${version === undefined ? '' : ` as version ${version}`}`);
}

/** Puts the members that were stored back to what they were, and removes the record. */
export async function abort(id: string, options: KubeOptions): Promise<void> {
  const objects = new KubeObjects(loadKubeConfig(options));
  const bundle = await find(objects, id);
  const writes = await planContents(objects, targetsOf(bundle, 'before'));
  for (const item of [...inOrder(writes)].reverse()) {
    await item.write(objects, { dryRun: false });
    process.stdout.write(`${item.what} ${item.removes ? 'removed' : 'restored'}\n`);
  }
  await removeBundle(objects, id);
  console.error(`bundle ${id} is undone; the mesh ran what was before all the time`);
}

async function find(objects: KubeObjects, id: string): Promise<Bundle> {
  const bundle = (await listBundles(objects))?.find((candidate) => candidate.id === id);
  if (bundle === undefined) throw new CommandFailure(`bundle ${id} does not exist; "xebec config bundles" lists those that do`);
  if (!isUnfinished(bundle))
    throw new CommandFailure(
      `bundle ${id} is ${bundle.phase === 'Complete' ? `in force${bundle.version === undefined ? '' : ` as version ${bundle.version}`}; "xebec config rollback" undoes it` : 'dropped: nothing of it was stored'}`,
    );
  return bundle;
}

function targetsOf(bundle: Bundle, side: 'before' | 'after') {
  return bundle.changes.flatMap((change) => {
    const content = change.after ?? change.before;
    if (content === undefined) return [];
    return [{ reference: { ...content, metadata: named(content) }, target: change[side] }];
  });
}

async function rowOf(objects: KubeObjects, bundle: Bundle): Promise<string[]> {
  const { id, phase, client, changes, version, message } = bundle;
  const missing: string[] = [];
  if (isUnfinished(bundle))
    for (const change of changes) {
      const content = change.after ?? change.before;
      if (content === undefined) continue;
      const live = await objects.read({ ...content, metadata: named(content) });
      const { kind, namespace, name } = memberOf(change);
      if (canonical(live === undefined ? undefined : contentOfRaw(live)) !== canonical(change.after))
        missing.push(`${kind} ${namespace}/${name}`);
    }
  const stored = phase === 'Abandoned' ? '0' : String(changes.length - missing.length);
  const more = missing.length > MAX_NAMED ? ` and ${missing.length - MAX_NAMED} more` : '';
  const note =
    missing.length > 0
      ? `waits for ${missing.slice(0, MAX_NAMED).join(', ')}${more}`
      : version === undefined
        ? message
        : `v${version} ${message}`.trim();
  return [id, phase === '' ? 'New' : phase, String(changes.length), stored, client, note];
}

function named({ metadata }: StoredObject): { name: string; namespace?: string } {
  return { name: metadata.name, ...(metadata.namespace === '' ? {} : { namespace: metadata.namespace }) };
}
