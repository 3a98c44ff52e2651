import { concatenate, stringField } from './protobuf-frames.ts';
import type { EncodedResource } from './resource.ts';

/** A response ready for the wire: an encoded DiscoveryResponse or DeltaDiscoveryResponse in pieces. */
export class EncodedResponse {
  readonly typeUrl: string;
  readonly nonce: string;
  /** The resources among them are shared by responses that begin with the same ones, whatever nonce and version these have. */
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
  readonly resourceCount: number;
  readonly removedCount: number;

  constructor(typeUrl: string, nonce: string, parts: readonly Uint8Array[], counts: { resources: number; removed: number }) {
    this.typeUrl = typeUrl;
    this.nonce = nonce;
    this.parts = parts;
    this.byteLength = parts.reduce((sum, part) => sum + part.length, 0);
    this.resourceCount = counts.resources;
    this.removedCount = counts.removed;
  }
  /** All in one piece, copied. */
  get bytes(): Uint8Array {
    return concatenate(this.parts);
  }
}

/** DiscoveryResponse: version_info = 1, resources = 2, type_url = 4, nonce = 5. */
export function encodeSotwResponse(
  typeUrl: string,
  nonce: string,
  version: string,
  resources: readonly EncodedResource[],
): EncodedResponse {
  const body = bodyOf(`sotw ${typeUrl}`, resources, ({ sotwHead }) => sotwHead);
  const end = concatenate([stringField(1, version), stringField(4, typeUrl), stringField(5, nonce)]);
  return new EncodedResponse(typeUrl, nonce, [...body, end], { resources: resources.length, removed: 0 });
}

/** DeltaDiscoveryResponse: system_version_info = 1, resources = 2, type_url = 4, nonce = 5, removed_resources = 6. */
export function encodeDeltaResponse(
  typeUrl: string,
  nonce: string,
  version: string,
  resources: readonly EncodedResource[],
  removed: readonly string[],
): EncodedResponse {
  const body = bodyOf(`delta ${typeUrl}`, resources, ({ deltaHead }) => deltaHead);
  const end = concatenate([
    stringField(1, version),
    stringField(4, typeUrl),
    stringField(5, nonce),
    ...removed.map((name) => stringField(6, name)),
  ]);
  return new EncodedResponse(typeUrl, nonce, [...body, end], { resources: resources.length, removed: removed.length });
}

/** Resources that were put together for a response, as they stand in it. */
interface Body {
  readonly resources: readonly EncodedResource[];
  /** Where each resource ends. */
  readonly ends: readonly number[];
  readonly bytes: Uint8Array;
}

/** Bodies of one kind that are looked at for equal beginnings: as many as proxies of different content that are served in turns. */
const MAX_RECENT = 4;
/** Smaller ones are sooner put together than looked for. */
const MIN_SHARED_BYTES = 4_096;
/** What the bodies of one kind may take together; the last one stays whatever its size. */
const MAX_RECENT_BYTES = 16 * 1024 * 1024;

/** The last bodies of each kind: a push sends the same to many streams one after the other. */
const recent = new Map<string, readonly Body[]>();

function bodyOf(
  kind: string,
  resources: readonly EncodedResource[],
  headOf: (resource: EncodedResource) => Uint8Array,
): readonly Uint8Array[] {
  const list = recent.get(kind) ?? [];
  let best: { readonly body: Body; readonly common: number } | undefined;
  for (const body of list) {
    const common = commonPrefix(body.resources, resources);
    if (common > (best?.common ?? 0)) best = { body, common };
    if (common === resources.length) break;
  }
  const end = best?.body.ends[best.common - 1] ?? 0;
  if (best !== undefined && end >= MIN_SHARED_BYTES) {
    const rest = assemble(resources.slice(best.common), headOf);
    const start = best.body.bytes.subarray(0, end);
    if (rest.bytes.length <= end) return rest.bytes.length === 0 ? [start] : [start, rest.bytes];
  }
  const body = assemble(resources, headOf);
  if (body.bytes.length >= MIN_SHARED_BYTES) recent.set(kind, latest(body, list));
  return [body.bytes];
}

function latest(body: Body, others: readonly Body[]): readonly Body[] {
  const kept = [body];
  let size = body.bytes.length;
  for (const other of others.slice(0, MAX_RECENT - 1)) {
    size += other.bytes.length;
    if (size > MAX_RECENT_BYTES) break;
    kept.push(other);
  }
  return kept;
}

function assemble(resources: readonly EncodedResource[], headOf: (resource: EncodedResource) => Uint8Array): Body {
  let end = 0;
  const ends: number[] = [];
  const parts: Uint8Array[] = [];
  for (const resource of resources) {
    const head = headOf(resource);
    parts.push(head, resource.value);
    end += head.length + resource.value.length;
    ends.push(end);
  }
  return { resources, ends, bytes: concatenate(parts) };
}

function commonPrefix(a: readonly EncodedResource[], b: readonly EncodedResource[]): number {
  const most = Math.min(a.length, b.length);
  for (let index = 0; index < most; index++) if (a[index] !== b[index]) return index;
  return most;
}
