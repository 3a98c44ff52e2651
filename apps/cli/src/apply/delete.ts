import { defaultNamespace, loadKubeConfig } from '../kube/connection.ts';
import { KubeObjects } from './kube-objects.ts';
import { describe, planRemoval } from './plan.ts';
import { type FileOptions, readObjects } from './read-objects.ts';
import { type WriteOptions, write } from './run.ts';

export interface DeleteOptions extends WriteOptions, FileOptions {}

/** Removes what files name; what is not there is said and is no failure. */
export async function run(options: DeleteOptions): Promise<void> {
  const config = loadKubeConfig(options);
  const objects = new KubeObjects(config);
  const read = await readObjects(options, objects, defaultNamespace(config, options));
  const writes = await planRemoval(
    objects,
    read.map(({ object }) => object),
  );
  await write(config, objects, writes, options, ({ what }) => process.stdout.write(`${what} removed\n`));
  const found = new Set(writes.map(({ what }) => what));
  for (const { object } of read) if (!found.has(describe(object))) console.error(`${describe(object)} is not there`);
}
