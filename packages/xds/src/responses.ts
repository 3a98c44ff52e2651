import { concatenate, stringField } from './protobuf-frames.ts';
import type { EncodedResource } from './resource.ts';

/** A response ready for the wire. */
export interface EncodedResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** An encoded DiscoveryResponse or DeltaDiscoveryResponse; streams that are sent the same share the bytes. */
  readonly bytes: Uint8Array;
  readonly resourceCount: number;
  readonly removedCount: number;
}

/** DiscoveryResponse: version_info = 1, resources = 2, type_url = 4, nonce = 5. */
export function encodeSotwResponse(
  typeUrl: string,
  nonce: string,
  version: string,
  resources: readonly EncodedResource[],
): EncodedResponse {
  const bytes = shared(`sotw ${typeUrl}`, stringField(1, version), resources, ({ sotwHead }) => sotwHead, [
    stringField(4, typeUrl),
    stringField(5, nonce),
  ]);
  return { typeUrl, nonce, bytes, resourceCount: resources.length, removedCount: 0 };
}

/** DeltaDiscoveryResponse: system_version_info = 1, resources = 2, type_url = 4, nonce = 5, removed_resources = 6. */
export function encodeDeltaResponse(
  typeUrl: string,
  nonce: string,
  version: string,
  resources: readonly EncodedResource[],
  removed: readonly string[],
): EncodedResponse {
  const bytes = shared(`delta ${typeUrl}`, stringField(1, version), resources, ({ deltaHead }) => deltaHead, [
    stringField(4, typeUrl),
    stringField(5, nonce),
    ...removed.map((name) => stringField(6, name)),
  ]);
  return { typeUrl, nonce, bytes, resourceCount: resources.length, removedCount: removed.length };
}

interface Recent {
  readonly start: Uint8Array;
  readonly resources: readonly EncodedResource[];
  readonly end: Uint8Array;
  readonly bytes: WeakRef<Uint8Array>;
}

/** Responses of one kind that are looked at for equal ones: as many as proxies of different content that are served in turns. */
const MAX_RECENT = 8;

/** The last responses of each kind, as long as somebody holds their bytes: a push sends the same to many streams one after the other. */
const recent = new Map<string, Recent[]>();

function shared(
  kind: string,
  start: Uint8Array,
  resources: readonly EncodedResource[],
  headOf: (resource: EncodedResource) => Uint8Array,
  endParts: readonly Uint8Array[],
): Uint8Array {
  const list = recent.get(kind) ?? [];
  const end = concatenate(endParts);
  let longest: { readonly bytes: Uint8Array; readonly common: number } | undefined;
  for (const entry of list) {
    const bytes = entry.bytes.deref();
    if (bytes === undefined || !sameBytes(entry.start, start)) continue;
    const common = commonPrefix(entry.resources, resources);
    if (common === resources.length && common === entry.resources.length && sameBytes(entry.end, end)) return bytes;
    if (common > (longest?.common ?? 0)) longest = { bytes, common };
  }
  const bytes = assemble(start, resources, headOf, end, longest);
  recent.set(kind, [{ start, resources, end, bytes: new WeakRef(bytes) }, ...list.slice(0, MAX_RECENT - 1)]);
  return bytes;
}

/** What begins as another response did is copied from there in one piece. */
function assemble(
  start: Uint8Array,
  resources: readonly EncodedResource[],
  headOf: (resource: EncodedResource) => Uint8Array,
  end: Uint8Array,
  like: { readonly bytes: Uint8Array; readonly common: number } | undefined,
): Uint8Array {
  const common = like?.common ?? 0;
  let copied = start.length;
  for (let index = 0; index < common; index++) {
    const resource = resources[index];
    if (resource !== undefined) copied += headOf(resource).length + resource.value.length;
  }
  return concatenate([
    like === undefined ? start : like.bytes.subarray(0, copied),
    ...resources.slice(common).flatMap((resource) => [headOf(resource), resource.value]),
    end,
  ]);
}

function commonPrefix(a: readonly EncodedResource[], b: readonly EncodedResource[]): number {
  const most = Math.min(a.length, b.length);
  for (let index = 0; index < most; index++) if (a[index] !== b[index]) return index;
  return most;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
