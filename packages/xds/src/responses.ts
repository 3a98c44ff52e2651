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
  const bytes = shared(`sotw ${typeUrl}`, `${version} ${nonce}`, resources, () =>
    concatenate([
      stringField(1, version),
      ...resources.flatMap((resource) => [resource.sotwHead, resource.value]),
      stringField(4, typeUrl),
      stringField(5, nonce),
    ]),
  );
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
  const bytes = shared(`delta ${typeUrl}`, JSON.stringify([version, nonce, removed]), resources, () =>
    concatenate([
      stringField(1, version),
      ...resources.flatMap((resource) => [resource.deltaHead, resource.value]),
      stringField(4, typeUrl),
      stringField(5, nonce),
      ...removed.map((name) => stringField(6, name)),
    ]),
  );
  return { typeUrl, nonce, bytes, resourceCount: resources.length, removedCount: removed.length };
}

interface Recent {
  readonly rest: string;
  readonly resources: readonly EncodedResource[];
  readonly bytes: WeakRef<Uint8Array>;
}

/** Responses of one kind that are looked at for equal ones: as many as proxies of different content that are served in turns. */
const MAX_RECENT = 8;

/** The last responses of each kind, as long as somebody holds their bytes: a push sends the same to many streams one after the other. */
const recent = new Map<string, Recent[]>();

function shared(kind: string, rest: string, resources: readonly EncodedResource[], encode: () => Uint8Array): Uint8Array {
  const list = recent.get(kind) ?? [];
  for (const entry of list) {
    if (entry.rest !== rest || !sameResources(entry.resources, resources)) continue;
    const known = entry.bytes.deref();
    if (known !== undefined) return known;
  }
  const bytes = encode();
  recent.set(kind, [{ rest, resources, bytes: new WeakRef(bytes) }, ...list.slice(0, MAX_RECENT - 1)]);
  return bytes;
}

function sameResources(a: readonly EncodedResource[], b: readonly EncodedResource[]): boolean {
  return a.length === b.length && a.every((resource, index) => resource === b[index]);
}
