import { systemClock } from '@xebec/core';
import { findKind, isMeshGroup, kinds } from '@xebec/schemas';
import { CommandFailure, EXIT } from '../exit.ts';
import { defaultNamespace, type KubeOptions, loadKubeConfig } from '../kube/connection.ts';
import { findPilots } from '../pilot/debug.ts';
import { type AwaitedObject, awaitObjects, parseTimeout, report } from '../pilot/progress.ts';
import { listBundles, writeBundle } from './bundle-writer.ts';
import { KubeObjects } from './kube-objects.ts';
import { newErrors, refuseErrors } from './new-errors.ts';
import { changesConfig, inOrder, type PlannedWrite, planApply, planRemoval, serverText } from './plan.ts';
import { type FileOptions, readObjects } from './read-objects.ts';

const MIXER_COLLECTIONS = /^istio\/(policy|config\/v1alpha2\/legacy)\//;

export interface WriteOptions extends KubeOptions {
  readonly message?: string;
  /** `--no-bundle` makes it false. */
  readonly bundle: boolean;
  readonly bundleTimeout: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export interface ApplyOptions extends WriteOptions, FileOptions {
  readonly wait?: boolean;
  readonly timeout: string;
  readonly output: string;
  readonly istioNamespace: string;
  readonly prune?: boolean;
  readonly selector?: string;
}

export async function run(options: ApplyOptions): Promise<void> {
  if (options.output !== 'short' && options.output !== 'json')
    throw new CommandFailure(`-o ${options.output} is not an output format; use short or json`, EXIT.usage);
  if (options.prune === true && (options.selector ?? '') === '')
    throw new CommandFailure('--prune needs -l: only objects with these labels are removed when no file has them', EXIT.usage);
  const timeoutMs = parseTimeout(options.timeout);
  const config = loadKubeConfig(options);
  const objects = new KubeObjects(config);
  const read = await readObjects(options, objects, defaultNamespace(config, options));
  const planned = await planApply(objects, read);
  const writes = options.prune === true ? [...planned, ...(await planPrune(objects, planned, options.selector ?? ''))] : planned;
  const short = options.output === 'short';
  const awaited: AwaitedObject[] = [];
  await write(config, objects, writes, options, (item, stored) => {
    if (short) process.stdout.write(`${item.what} ${item.removes ? 'removed' : 'applied'}\n`);
    if (stored !== undefined && reachesProxies(item.reference)) awaited.push(awaitedOf(item, stored));
  });
  if (options.wait !== true || options.dryRun === true) {
    if (!short) process.stdout.write(`${JSON.stringify(awaited, null, 2)}\n`);
    return;
  }
  const end = systemClock.monotonic() + timeoutMs;
  const pilots = await findPilots(config, options.istioNamespace);
  const states = await awaitObjects(pilots, awaited, { remainingMs: () => end - systemClock.monotonic() });
  report(states, options.output);
}

/** Stores what was planned: analysed first, what is configuration as one bundle, the rest before it. */
export async function write(
  config: ReturnType<typeof loadKubeConfig>,
  objects: KubeObjects,
  writes: readonly PlannedWrite[],
  options: WriteOptions,
  onWritten: (write: PlannedWrite, stored: Record<string, unknown> | undefined) => void,
): Promise<number | undefined> {
  const timeoutSeconds = Math.ceil(parseTimeout(options.bundleTimeout) / 1000);
  if (timeoutSeconds < 1 || timeoutSeconds > 3600)
    throw new CommandFailure(`--bundle-timeout ${options.bundleTimeout} must be from 1s to 1h`, EXIT.usage);
  const members = writes.filter(changesConfig);
  if (members.length > 0 && options.force !== true) refuseErrors(await newErrors(config, writes, systemClock.now()));
  if (options.dryRun === true) {
    for (const item of inOrder(writes)) process.stdout.write(`${item.what} ${dryRunText(item)} (dry run)\n`);
    return undefined;
  }
  const others = writes.filter((item) => !changesConfig(item));
  const writeEach = async (items: readonly PlannedWrite[]) => {
    for (const item of inOrder(items)) {
      try {
        onWritten(item, await item.write(objects, { dryRun: false }));
      } catch (error) {
        const place = item.read === undefined ? '' : `${item.read.file}:${item.read.line}: `;
        throw new CommandFailure(`${place}${item.what}: ${serverText(error)}`);
      }
    }
  };
  await writeEach(others.filter(({ removes }) => !removes));
  let version: number | undefined;
  if (members.length === 0 && (options.message ?? '') !== '') console.error('nothing of the configuration changes: no version is made');
  // One object is whole by itself; a message needs a bundle to stand in.
  const alone = members.length <= 1 && (options.message ?? '') === '';
  if (options.bundle && !alone && members.length > 0 && (await bundlesAreKnown(objects))) {
    const result = await writeBundle(objects, members, { message: options.message ?? '', timeoutSeconds, onWritten });
    version = result.version;
    console.error(
      `${members.length === 1 ? '1 object took effect' : `${members.length} objects took effect together`}${version === undefined ? '' : ` as version ${version}`}`,
    );
  } else await writeEach(members);
  await writeEach(others.filter(({ removes }) => removes));
  return version;
}

async function bundlesAreKnown(objects: KubeObjects): Promise<boolean> {
  if ((await listBundles(objects)) !== undefined) return true;
  console.error(
    'Warning: the API server does not know ConfigBundle (deploy/crds/config.xebec.dev.yaml): the objects are stored one after the other',
  );
  return false;
}

/** Objects of the mesh's kinds that have the labels and that no file has. */
async function planPrune(objects: KubeObjects, planned: readonly PlannedWrite[], selector: string): Promise<readonly PlannedWrite[]> {
  const given = new Set(planned.map(({ what }) => what));
  const found: PlannedWrite[] = [];
  for (const { group, versions, kind } of kinds) {
    const items = await objects.list(`${group}/${versions[0]}`, kind, selector).catch((error: unknown) => {
      throw new CommandFailure(`--prune -l ${selector}: ${serverText(error)}`);
    });
    const references = items.map((item) => referenceOf(item));
    found.push(...(await planRemoval(objects, references)).filter(({ what }) => !given.has(what)));
  }
  return found;
}

/** Handlers, instances, rules and manifests are Mixer's alone: no proxy ever runs them. */
function reachesProxies({ apiVersion, kind }: PlannedWrite['reference']): boolean {
  return isMeshGroup(apiVersion) && !MIXER_COLLECTIONS.test(findKind(apiVersion, kind)?.collection ?? '');
}

function referenceOf(raw: Record<string, unknown>) {
  const metadata = typeof raw['metadata'] === 'object' && raw['metadata'] !== null ? raw['metadata'] : {};
  return {
    apiVersion: String(raw['apiVersion']),
    kind: String(raw['kind']),
    metadata: {
      name: 'name' in metadata ? String(metadata.name) : '',
      namespace: 'namespace' in metadata ? String(metadata.namespace) : undefined,
    },
  };
}

function dryRunText(item: PlannedWrite): string {
  if (item.before === undefined && item.after === undefined) return item.removes ? 'removed' : 'applied';
  if (!changesConfig(item)) return 'unchanged';
  return item.before === undefined ? 'created' : item.after === undefined ? 'removed' : 'changed';
}

function awaitedOf({ reference }: PlannedWrite, stored: Record<string, unknown>): AwaitedObject {
  const metadata = typeof stored['metadata'] === 'object' && stored['metadata'] !== null ? stored['metadata'] : {};
  const generation = 'generation' in metadata && typeof metadata.generation === 'number' ? metadata.generation : 0;
  return { kind: reference.kind, namespace: reference.metadata.namespace ?? '', name: reference.metadata.name, generation };
}
