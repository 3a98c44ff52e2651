import { hostname, userInfo } from 'node:os';
import { ApiError, isRecord } from '@xebec/config';
import { errorText, systemClock } from '@xebec/core';
import { BUNDLE_PATH, type Bundle, changeKey, MAX_PACKED_BYTES, readBundle, renderBundle } from '@xebec/history';
import { CommandFailure } from '../exit.ts';
import type { KubeObjects } from './kube-objects.ts';
import { inOrder, type PlannedWrite, serverText } from './plan.ts';

export interface BundleOptions {
  readonly message: string;
  readonly timeoutSeconds: number;
  readonly onWritten: (write: PlannedWrite, stored: Record<string, unknown> | undefined) => void;
}

/** What a bundle became. */
export interface BundleResult {
  readonly id: string;
  /** Undefined where no history is kept. */
  readonly version: number | undefined;
}

/** Longer than a lease of Galley's: one that has just died is waited for as long. */
const TAKEN_WITHIN_MS = 15_000;
const IN_FORCE_WITHIN_MS = 10_000;
const POLL_MS = 20;

/** All bundles of the mesh; undefined where the API server does not know the kind. */
export async function listBundles(objects: KubeObjects): Promise<readonly Bundle[] | undefined> {
  try {
    const body = await objects.api.get(BUNDLE_PATH, objects.signal());
    const items = isRecord(body) && Array.isArray(body['items']) ? body['items'] : [];
    return items.flatMap((item) => {
      const bundle = readBundle(item);
      return bundle.ok ? bundle.value : [];
    });
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw new CommandFailure(`the bundles of the mesh cannot be read: ${errorText(error)}`);
  }
}

export function isUnfinished({ phase }: Bundle): boolean {
  return phase !== 'Complete' && phase !== 'Abandoned';
}

/**
 * Stores members of a bundle so that they take effect together: first the record of all of them, then, once Galley holds them
 * back, the members. When one cannot be stored, those before it are put back.
 */
export async function writeBundle(objects: KubeObjects, writes: readonly PlannedWrite[], options: BundleOptions): Promise<BundleResult> {
  const changes = writes.map(({ before, after }) => ({ before, after }));
  refuseOverlap(new Set(changes.map(changeKey)), (await listBundles(objects)) ?? []);
  const id = bundleName();
  const client = `${userInfo().username}@${hostname()}, process ${process.pid}`;
  const { message, timeoutSeconds } = options;
  const record = renderBundle({ id, client, message, timeoutSeconds, changes });
  if (record.spec.content.length > MAX_PACKED_BYTES)
    throw new CommandFailure(
      `nothing was stored: ${writes.length} objects are ${record.spec.content.length} bytes packed, a bundle holds ${MAX_PACKED_BYTES}; apply them in parts, or with --no-bundle`,
    );
  await objects.api.send('POST', BUNDLE_PATH, record, objects.signal());
  const taken = await awaitPhase(objects, id, ({ phase }) => phase !== '', TAKEN_WITHIN_MS);
  if (taken?.phase !== 'Open') {
    await removeBundle(objects, id);
    throw new CommandFailure(
      `nothing was stored: galley did not take bundle ${id} within ${TAKEN_WITHIN_MS / 1000} s${taken?.phase === '' && taken.statusMessage !== '' ? `: it ${taken.statusMessage}` : ''}; is istio-galley running? --no-bundle stores without it, object by object`,
    );
  }
  await writeMembers(objects, id, writes, options);
  return awaitInForce(objects, id);
}

/** Waits until Galley says that all members are in force. */
export async function awaitInForce(objects: KubeObjects, id: string): Promise<BundleResult> {
  const done = await awaitPhase(objects, id, ({ phase }) => phase === 'Complete', IN_FORCE_WITHIN_MS);
  if (done?.phase === 'Complete') return { id, version: done.version };
  throw new CommandFailure(
    `all members of bundle ${id} are stored, but galley does not say that they are in force: "xebec config bundles" shows what it waits for`,
  );
}

export async function removeBundle(objects: KubeObjects, id: string): Promise<void> {
  try {
    await objects.api.send('DELETE', `${BUNDLE_PATH}/${encodeURIComponent(id)}`, undefined, objects.signal());
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
  }
}

async function writeMembers(objects: KubeObjects, id: string, writes: readonly PlannedWrite[], options: BundleOptions): Promise<void> {
  const written: PlannedWrite[] = [];
  for (const write of inOrder(writes)) {
    try {
      options.onWritten(write, await write.write(objects, { dryRun: false }));
      written.push(write);
    } catch (error) {
      const undone = await undo(objects, id, written);
      throw new CommandFailure(
        `${write.what}: ${serverText(error)}; ${undone ? 'nothing of the bundle is left' : `the ${written.length} members before it are stored and held back: "xebec config bundles abort ${id}" removes them`}`,
      );
    }
  }
}

async function undo(objects: KubeObjects, id: string, written: readonly PlannedWrite[]): Promise<boolean> {
  try {
    for (const { before, reference } of [...written].reverse())
      if (before === undefined) await objects.remove(reference, { dryRun: false });
      else await objects.put(before, { dryRun: false });
    await removeBundle(objects, id);
    return true;
  } catch {
    // The server is away, most likely: Galley goes on holding, and says so.
    return false;
  }
}

function refuseOverlap(keys: ReadonlySet<string>, bundles: readonly Bundle[]): void {
  for (const bundle of bundles.filter(isUnfinished)) {
    const shared = bundle.changes.find((change) => keys.has(changeKey(change)));
    if (shared === undefined) continue;
    const { kind = '', metadata } = shared.after ?? shared.before ?? {};
    throw new CommandFailure(
      `nothing was stored: ${kind} ${metadata?.namespace}/${metadata?.name} belongs to bundle ${bundle.id} of ${bundle.client}, which is ${bundle.phase === 'Stalled' ? 'stalled' : 'being written'}; finish it with "xebec config bundles resume ${bundle.id}" or undo it with "xebec config bundles abort ${bundle.id}"`,
    );
  }
}

async function awaitPhase(
  objects: KubeObjects,
  id: string,
  reached: (bundle: Bundle) => boolean,
  withinMs: number,
): Promise<Bundle | undefined> {
  const end = systemClock.monotonic() + withinMs;
  for (;;) {
    const body = await objects.api.get(`${BUNDLE_PATH}/${encodeURIComponent(id)}`, objects.signal()).catch((error: unknown) => {
      if (error instanceof ApiError && error.status < 500) throw error;
      return undefined;
    });
    const bundle = readBundle(body);
    if (bundle.ok && reached(bundle.value)) return bundle.value;
    if (systemClock.monotonic() > end) return bundle.ok ? bundle.value : undefined;
    await new Promise<void>((resolve) => void systemClock.setTimeout(resolve, POLL_MS));
  }
}

/** Sorts by time: `20261121-172333-4f2a`. */
function bundleName(): string {
  const time = new Date(systemClock.now())
    .toISOString()
    .replace(/[-:]|\..*/g, '')
    .replace('T', '-');
  return `${time}-${crypto.randomUUID().slice(0, 4)}`;
}
