import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { AnySchema, StructSchema, type ValueSchema } from '@bufbuild/protobuf/wkt';
import type { NodeInfo } from '../http-filter.ts';
import { peerFromStruct, peerMetadataHeader, peerMetadataIdHeader, peerStruct, type WorkloadPeer } from './workload-peer.ts';

/**
 * What two sidecars say to each other before the bytes of a TCP connection, once ALPN has agreed on `istio-peer-exchange`: four bytes
 * that never change, the length of what follows (32 bits, big-endian), and an Any with a Struct of the peer's metadata and id.
 */
const magic = Buffer.from('3d230467', 'hex');
const headBytes = 8;
/** Who says more of itself is not listened to. */
const maxMetadataBytes = 64 * 1024;
const structTypeUrl = 'type.googleapis.com/google.protobuf.Struct';
const noBytes = Buffer.alloc(0);

/** How this proxy introduces itself. */
export function encodePeerExchange(node: NodeInfo): Buffer {
  const fields: Record<string, MessageInitShape<typeof ValueSchema>> = {
    [peerMetadataHeader]: { kind: { case: 'structValue', value: peerStruct(node) } },
  };
  if (node.id !== '') fields[peerMetadataIdHeader] = { kind: { case: 'stringValue', value: node.id } };
  const value = toBinary(StructSchema, create(StructSchema, { fields }));
  const any = toBinary(AnySchema, create(AnySchema, { typeUrl: structTypeUrl, value }));
  const head = Buffer.alloc(headBytes);
  magic.copy(head);
  head.writeUInt32BE(any.length, magic.length);
  return Buffer.concat([head, any]);
}

/** The peer that such a message is of; undefined when it cannot be read. */
function decodePeer(bytes: Uint8Array): WorkloadPeer | undefined {
  try {
    const any = fromBinary(AnySchema, bytes);
    if (any.typeUrl !== structTypeUrl) return undefined;
    const metadata = fromBinary(StructSchema, any.value).fields[peerMetadataHeader]?.kind;
    return metadata?.case === 'structValue' ? peerFromStruct(metadata.value) : undefined;
  } catch {
    return undefined; // Whatever a peer sends must not end the connection.
  }
}

/**
 * - `head`: the first bytes are awaited, and may turn out to be no exchange at all.
 * - `metadata`: they are one, and its rest is awaited.
 * - `skipping`: it is too long to be kept.
 * - `introduced`, `silent`: it is over, or there is none; everything from here on is the application's.
 */
export type ExchangeState = 'head' | 'metadata' | 'skipping' | 'introduced' | 'silent';

/** Takes the peer's introduction from the beginning of what it sends. Keeps no bytes that it was given. */
export class PeerExchangeReader {
  state: ExchangeState = 'head';
  /** Undefined also where the peer has introduced itself in a way that cannot be read. */
  peer: WorkloadPeer | undefined = undefined;
  #kept: Buffer = noBytes;
  #have = 0;
  #skip = 0;

  /** What of `bytes` (and of what was kept before) is the application's; none while more is awaited. `end`: nothing more comes. */
  read(bytes: Buffer, end: boolean): Buffer {
    switch (this.state) {
      case 'introduced':
      case 'silent':
        return bytes;
      case 'skipping': {
        const skipped = Math.min(this.#skip, bytes.length);
        this.#skip -= skipped;
        if (this.#skip === 0) this.state = 'introduced';
        return bytes.subarray(skipped);
      }
      case 'head':
        return this.#readHead(bytes, end);
      default:
        return this.#readMetadata(bytes);
    }
  }
  #readHead(bytes: Buffer, end: boolean): Buffer {
    const seen = this.#have === 0 ? bytes : Buffer.concat([this.#kept, bytes]);
    const length = Math.min(seen.length, magic.length);
    const differs = seen.compare(magic, 0, length, 0, length) !== 0;
    if (differs || (end && seen.length < headBytes)) {
      this.state = 'silent';
      this.#kept = noBytes;
      return seen;
    }
    if (seen.length < headBytes) {
      this.#kept = Buffer.from(seen);
      this.#have = seen.length;
      return noBytes;
    }
    const size = seen.readUInt32BE(magic.length);
    this.#have = 0;
    if (size > maxMetadataBytes) {
      this.state = 'skipping';
      this.#kept = noBytes;
      this.#skip = size;
      return this.read(seen.subarray(headBytes), end);
    }
    this.state = 'metadata';
    this.#kept = Buffer.allocUnsafe(size);
    return this.#readMetadata(seen.subarray(headBytes));
  }
  #readMetadata(bytes: Buffer): Buffer {
    const taken = bytes.copy(this.#kept, this.#have);
    this.#have += taken;
    if (this.#have < this.#kept.length) return noBytes;
    this.peer = decodePeer(this.#kept);
    this.state = 'introduced';
    this.#kept = noBytes;
    return bytes.subarray(taken);
  }
}
