import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Packet, type Question, RECURSION_AVAILABLE } from 'dns-packet';
import type { NameTable } from './name-table.ts';

/** Istio's: short, because endpoints come and go. */
const TTL_S = 30;
const FORMERR = 1;
const SERVFAIL = 2;
const RECURSION_DESIRED = 0x0100;
const headerBytes = 12;
const classicUdpBytes = 512;
/** Larger datagrams are cut by the networks of the world. */
const maxUdpBytes = 4096;

/** What to do with one message of a client. */
export type Verdict =
  | { readonly kind: 'reply'; readonly bytes: Buffer }
  /** Not a name of the mesh: goes on as it came, EDNS and all. */
  | { readonly kind: 'forward'; readonly id: number; readonly maxUdpBytes: number }
  /** Not a query at all: no answer, or two servers could talk to each other for ever. */
  | { readonly kind: 'drop' };

/** Judges a message; `overUdp` cuts an answer that the client cannot take. Never throws. */
export function answerQuery(message: Buffer, table: NameTable, overUdp: boolean): Verdict {
  if (message.length < headerBytes) return { kind: 'drop' };
  const id = message.readUInt16BE(0);
  if ((message.readUInt8(2) & 0x80) !== 0) return { kind: 'drop' };
  let query: Packet;
  try {
    query = decode(message);
  } catch {
    return { kind: 'reply', bytes: errorReply(message, FORMERR) };
  }
  const limit = udpLimit(query);
  const question = query.questions?.[0];
  const family = question?.type === 'A' ? 4 : question?.type === 'AAAA' ? 6 : undefined;
  // Only queries (opcode 0) for addresses are ours.
  if (question === undefined || query.questions?.length !== 1 || (message.readUInt8(2) & 0x78) !== 0 || family === undefined) {
    return { kind: 'forward', id, maxUdpBytes: limit };
  }
  const found = table.resolve(question.name, family);
  if (found === undefined) return { kind: 'forward', id, maxUdpBytes: limit };
  return { kind: 'reply', bytes: localReply(query, question, found, overUdp ? limit : 65_535) };
}

function localReply(
  query: Packet,
  question: Question,
  { canonical, addresses }: { readonly canonical: string; readonly addresses: readonly string[] },
  limit: number,
): Buffer {
  const asked = question.name.toLowerCase().replace(/\.$/, '');
  const answers: Answer[] =
    asked === canonical || addresses.length === 0 ? [] : [{ type: 'CNAME', name: question.name, ttl: TTL_S, data: canonical }];
  const owner = answers.length === 0 ? question.name : canonical;
  const type = question.type === 'AAAA' ? 'AAAA' : 'A';
  for (const data of addresses) answers.push({ type, name: owner, ttl: TTL_S, data });
  const flags = AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED);
  const head = { id: query.id ?? 0, type: 'response' as const, flags, questions: [question] };
  const whole = encode({ ...head, answers });
  return whole.length <= limit ? whole : truncated(encode(head));
}

/** What the client says it can take in a datagram (EDNS, RFC 6891), else 512 bytes. */
function udpLimit(query: Packet): number {
  const opt = query.additionals?.find((record) => record.type === 'OPT');
  const size = opt !== undefined && 'udpPayloadSize' in opt ? Number(opt.udpPayloadSize) : 0;
  return Math.min(Math.max(size, classicUdpBytes), maxUdpBytes);
}

function truncated(reply: Buffer): Buffer {
  reply.writeUInt8(reply.readUInt8(2) | 0x02, 2);
  return reply;
}

/** The query's header with an error code and no sections. */
export function errorReply(message: Buffer, code: number): Buffer {
  const reply = Buffer.alloc(headerBytes);
  reply.writeUInt16BE(message.readUInt16BE(0), 0);
  reply.writeUInt8(0x80 | (message.readUInt8(2) & 0x79), 2);
  reply.writeUInt8(0x80 | code, 3);
  return reply;
}

/** Nobody upstream answered: the question comes back with SERVFAIL. */
export function serverFailure(message: Buffer): Buffer {
  try {
    const query = decode(message);
    return encode({
      id: query.id ?? 0,
      type: 'response',
      flags: RECURSION_AVAILABLE | ((query.flags ?? 0) & RECURSION_DESIRED) | SERVFAIL,
      questions: query.questions ?? [],
    });
  } catch {
    return errorReply(message, SERVFAIL);
  }
}

/** A forwarded answer that does not fit a datagram of the client loses all but its question and says so. */
export function fitForUdp(reply: Buffer, limit: number): Buffer {
  if (reply.length <= limit) return reply;
  try {
    const packet = decode(reply);
    return truncated(encode({ id: packet.id ?? 0, type: 'response', flags: packet.flags ?? 0, questions: packet.questions ?? [] }));
  } catch {
    return truncated(Buffer.from(reply.subarray(0, headerBytes)).fill(0, 4, headerBytes));
  }
}
