import type { ServiceDefinition } from '@grpc/grpc-js';
import { giveBack } from '@xebec/rpc';
import type { XdsRequest } from './xds-request.ts';

/** Smaller lists are decoded sooner than they are looked for. */
const MIN_BYTES = 2_048;
/** Proxies of one kind name the same, so few different lists are on the way. */
const MAX_RECENT = 16;
/** What they may take together; the last one stays whatever its size. */
const MAX_RECENT_BYTES = 8 * 1024 * 1024;

/** Tag of names in both kinds of request: field 3, length-delimited. */
const NAME_TAG = (3 << 3) | 2;

/** A list of names as it stood in a request. */
interface NameList {
  readonly bytes: Uint8Array;
  readonly names: string[];
}

/**
 * The same service, where long lists of names are decoded once: a thousand proxies name the same clusters, and each of them again with every
 * ACK. Requests with equal lists then hold the same array. Whoever is given a request must not change it.
 */
export function withSharedRequests(definition: ServiceDefinition): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [name, { ...method, requestDeserialize: shared(method.requestDeserialize) }]),
  );
}

function shared(decode: (bytes: Buffer) => XdsRequest): (bytes: Buffer) => XdsRequest {
  let recent: readonly NameList[] = [];
  return (bytes) => {
    if (bytes.length < MIN_BYTES) return decode(bytes);
    const start = startOfNames(bytes);
    if (start === undefined) return decode(bytes);
    const known = recent.find((list) => isAt(bytes, start, list.bytes));
    if (known !== undefined) {
      const request = decode(Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + known.bytes.length)]));
      // Others than those that stood together: rare enough to begin anew.
      if (namesOf(request).length > 0) return decode(bytes);
      // The request was decoded from a copy, and its names are others'.
      giveBack(bytes);
      return withNames(request, known.names);
    }
    const request = decode(bytes);
    const end = endOfNames(bytes, start);
    const names = namesOf(request);
    if (end - start >= MIN_BYTES && countNames(bytes, start, end) === names.length)
      recent = latest({ bytes: Uint8Array.prototype.slice.call(bytes, start, end), names }, recent);
    return request;
  };
}

function latest(list: NameList, others: readonly NameList[]): readonly NameList[] {
  const kept = [list];
  let size = list.bytes.length;
  for (const other of others.slice(0, MAX_RECENT - 1)) {
    size += other.bytes.length;
    if (size > MAX_RECENT_BYTES) break;
    kept.push(other);
  }
  return kept;
}

function namesOf(request: XdsRequest): string[] {
  return 'resourceNames' in request ? request.resourceNames : request.resourceNamesSubscribe;
}

function withNames(request: XdsRequest, names: string[]): XdsRequest {
  if ('resourceNames' in request) request.resourceNames = names;
  else request.resourceNamesSubscribe = names;
  return request;
}

/** Whether the list stands at `start`, with no name after it. */
function isAt(bytes: Buffer, start: number, list: Uint8Array): boolean {
  const end = start + list.length;
  return end <= bytes.length && bytes[end] !== NAME_TAG && bytes.compare(list, 0, list.length, start, end) === 0;
}

/** Where the first name begins; undefined where there is none, or something that this does not read. */
function startOfNames(bytes: Buffer): number | undefined {
  for (let offset = 0; offset < bytes.length; ) {
    if (bytes[offset] === NAME_TAG) return offset;
    const next = endOfField(bytes, offset);
    if (next === undefined) return undefined;
    offset = next;
  }
  return undefined;
}

function endOfNames(bytes: Buffer, start: number): number {
  let end = start;
  while (bytes[end] === NAME_TAG) end = endOfField(bytes, end) ?? bytes.length;
  return end;
}

function countNames(bytes: Buffer, start: number, end: number): number {
  let count = 0;
  for (let offset = start; offset < end; offset = endOfField(bytes, offset) ?? end) count++;
  return count;
}

/** Where a length-delimited field with a tag of one byte ends; undefined for any other. */
function endOfField(bytes: Buffer, offset: number): number | undefined {
  const tag = bytes[offset] ?? 0;
  if ((tag & 7) !== 2 || tag >= 0x80) return undefined;
  let length = 0;
  // Lengths of a message that is this large take at most four bytes.
  for (let index = offset + 1, scale = 1; index < Math.min(offset + 5, bytes.length); index++, scale *= 128) {
    const byte = bytes[index] ?? 0;
    length += (byte & 127) * scale;
    if (byte < 128) {
      const end = index + 1 + length;
      return end <= bytes.length ? end : undefined;
    }
  }
  return undefined;
}
