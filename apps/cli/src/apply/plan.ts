import { ApiError } from '@xebec/config';
import { errorText } from '@xebec/core';
import { canonical, contentOfRaw, type StoredObject } from '@xebec/history';
import { findKind } from '@xebec/schemas';
import { CommandFailure } from '../exit.ts';
import type { KubeObjects, ObjectReference, WriteMode } from './kube-objects.ts';
import type { ReadObject } from './read-objects.ts';

/** One object that a command writes or removes. */
export interface PlannedWrite {
  /** `VirtualService shop/reviews`. */
  readonly what: string;
  readonly reference: ObjectReference;
  readonly write: (objects: KubeObjects, mode: WriteMode) => Promise<Record<string, unknown> | undefined>;
  /** Content before and after, of what is configuration of the mesh; both undefined for other kinds. */
  readonly before: StoredObject | undefined;
  readonly after: StoredObject | undefined;
  readonly removes: boolean;
  /** Where it was read. */
  readonly read: ReadObject | undefined;
}

/** As many refusals as anybody reads. */
const MAX_SHOWN = 20;

export function describe({ kind, metadata }: ObjectReference): string {
  const { namespace = '', name } = metadata;
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

/** Whether a write changes configuration of the mesh. */
export function changesConfig({ before, after }: PlannedWrite): boolean {
  return canonical(before) !== canonical(after);
}

/** Asks the server for each object what it would become; refuses all when it refuses one. Nothing is stored. */
export async function planApply(objects: KubeObjects, read: readonly ReadObject[]): Promise<readonly PlannedWrite[]> {
  // Dry runs know nothing of each other: what lies in a namespace of the same command cannot be tried.
  const namespaces = new Set(read.filter(({ object }) => object.kind === 'Namespace').map(({ object }) => object.metadata.name));
  const kinds = new Set(
    read.filter(({ object }) => object.kind === 'CustomResourceDefinition').flatMap(({ object }) => definedKinds(object)),
  );
  const refusals: string[] = [];
  const planned: PlannedWrite[] = [];
  for (const item of read) {
    const { object, file, line } = item;
    try {
      const isNew = await isInNewPlace(objects, object, namespaces, kinds);
      const result = isNew ? object : await objects.apply(object, { dryRun: true });
      const live = isNew ? undefined : await objects.read(object);
      planned.push({
        what: describe(object),
        reference: object,
        write: (target, mode) => target.apply(object, mode),
        before: live === undefined ? undefined : contentOfRaw(live),
        after: contentOfRaw(result),
        removes: false,
        read: item,
      });
    } catch (error) {
      if (error instanceof ApiError && (error.status === 401 || error.status >= 500)) throw new CommandFailure(errorText(error));
      refusals.push(`${file}:${line}: ${describe(object)}: ${serverText(error)}`);
    }
  }
  if (refusals.length > 0) throw new CommandFailure(refusalText(refusals));
  return planned;
}

/** Removal of what is there. */
export async function planRemoval(objects: KubeObjects, references: readonly ObjectReference[]): Promise<readonly PlannedWrite[]> {
  const planned: PlannedWrite[] = [];
  for (const reference of references) {
    const live = await objects.read(reference);
    if (live === undefined) continue;
    planned.push({
      what: describe(reference),
      reference,
      write: async (target, mode) => {
        await target.remove(reference, mode);
        return undefined;
      },
      before: contentOfRaw(live),
      after: undefined,
      removes: true,
      read: undefined,
    });
  }
  return planned;
}

/** Writes of contents as they are, as a way back or a completion needs them. */
export async function planContents(
  objects: KubeObjects,
  changes: readonly { readonly reference: ObjectReference; readonly target: StoredObject | undefined }[],
): Promise<readonly PlannedWrite[]> {
  const planned: PlannedWrite[] = [];
  const refusals: string[] = [];
  for (const { reference, target } of changes) {
    const live = await objects.read(reference);
    const before = live === undefined ? undefined : contentOfRaw(live);
    if (canonical(before) === canonical(target)) continue;
    try {
      if (target !== undefined) await objects.put(target, { dryRun: true });
    } catch (error) {
      refusals.push(`${describe(reference)}: ${serverText(error)}`);
      continue;
    }
    planned.push({
      what: describe(reference),
      reference,
      write: async (api, mode) => {
        if (target !== undefined) return api.put(target, mode);
        await api.remove(reference, mode);
        return undefined;
      },
      before,
      after: target,
      removes: target === undefined,
      read: undefined,
    });
  }
  if (refusals.length > 0) throw new CommandFailure(refusalText(refusals));
  return planned;
}

/** What of the order matters: providers before those that name them, and on removal the other way round. */
const ORDER = ['ServiceEntry', 'WorkloadGroup', 'WorkloadEntry', 'DestinationRule', 'Gateway', 'handler', 'instance'];

export function inOrder(writes: readonly PlannedWrite[]): readonly PlannedWrite[] {
  const rank = ({ reference, removes, after, before }: PlannedWrite): number => {
    const isConfig = before !== undefined || after !== undefined;
    const index = ORDER.indexOf(findKind(reference.apiVersion, reference.kind)?.readAs ?? reference.kind);
    const place = !isConfig ? 0 : index === -1 ? ORDER.length + 1 : index + 1;
    return removes ? 100 - place : place;
  };
  return [...writes].sort((a, b) => rank(a) - rank(b));
}

/** What the server says, without the request line that our client puts before it. */
export function serverText(error: unknown): string {
  const text = errorText(error).replace(/^(PATCH|PUT|POST|DELETE|GET) \S+: \d+ /, '');
  return text.replace(/^admission webhook "[^"]*" denied the request: /, '');
}

/** One refusal stands in the error itself; several are printed before it, a line each. */
function refusalText(refusals: readonly string[]): string {
  const [first = ''] = refusals;
  if (refusals.length === 1) return `nothing was stored: ${first}`;
  for (const refusal of refusals.slice(0, MAX_SHOWN)) console.error(refusal);
  if (refusals.length > MAX_SHOWN) console.error(`… and ${refusals.length - MAX_SHOWN} more`);
  return `nothing was stored: the API server refuses ${refusals.length} objects`;
}

async function isInNewPlace(
  objects: KubeObjects,
  { apiVersion, kind, metadata }: ObjectReference,
  namespaces: ReadonlySet<string>,
  kinds: ReadonlySet<string>,
): Promise<boolean> {
  if (kinds.has(`${apiVersion.split('/')[0]}/${kind}`) && (await objects.isNamespaced({ apiVersion, kind })) === undefined) return true;
  const namespace = metadata.namespace ?? '';
  if (kind === 'Namespace' || !namespaces.has(namespace)) return false;
  return (await objects.read({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })) === undefined;
}

/** The kinds, with their groups, that a CustomResourceDefinition brings. */
function definedKinds(object: object): string[] {
  const spec = 'spec' in object && typeof object.spec === 'object' && object.spec !== null ? object.spec : {};
  const group = 'group' in spec ? String(spec.group) : '';
  const names = 'names' in spec && typeof spec.names === 'object' && spec.names !== null ? spec.names : {};
  return 'kind' in names ? [`${group}/${String(names.kind)}`] : [];
}
