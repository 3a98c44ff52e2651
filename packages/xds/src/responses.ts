import { concatenate, stringField } from './protobuf-frames.ts';
import type { EncodedResource } from './resource.ts';

/** A response ready for the wire. */
export interface EncodedResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** An encoded DiscoveryResponse or DeltaDiscoveryResponse. */
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
  const bytes = concatenate([
    stringField(1, version),
    ...resources.map((resource) => resource.sotwFrame),
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
  const bytes = concatenate([
    stringField(1, version),
    ...resources.map((resource) => resource.deltaFrame),
    stringField(4, typeUrl),
    stringField(5, nonce),
    ...removed.map((name) => stringField(6, name)),
  ]);
  return { typeUrl, nonce, bytes, resourceCount: resources.length, removedCount: removed.length };
}
