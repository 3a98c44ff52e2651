import { err, ok, type Result } from '@xebec/core';
import type { AttributeBag } from './value.ts';
import { readAttributes, type Slice } from './wire-attributes.ts';
import { MalformedMessage, WireReader } from './wire-reader.ts';

/** Bags of one report, and attributes of all of them together: with delta encoding few bytes can say much. */
const MAX_BAGS = 10_000;
const MAX_REPORTED = 500_000;
const MAX_QUOTAS = 100;
const MAX_DEFAULT_WORDS = 100_000;

export interface QuotaRequest {
  readonly name: string;
  readonly amount: bigint;
  readonly bestEffort: boolean;
}

/** A CheckRequest with its attributes decoded. */
export interface CheckCall {
  readonly bag: AttributeBag;
  readonly globalWordCount: number;
  readonly deduplicationId: string;
  readonly quotas: readonly QuotaRequest[];
}

/** A ReportRequest with its attributes decoded. */
export interface ReportCall {
  readonly bags: readonly AttributeBag[];
  readonly globalWordCount: number;
}

/** Reads a CheckRequest from its bytes. The error says what is wrong with them. */
export function decodeCheckCall(bytes: Buffer): Result<CheckCall, string> {
  return guarded(() => {
    const reader = new WireReader(bytes);
    const attributes: Slice[] = [];
    const quotas = new Map<string, QuotaRequest>();
    let globalWordCount = 0;
    let deduplicationId = '';
    while (reader.at < bytes.length) {
      const tag = reader.tag();
      if (tag === 0x0a) attributes.push(slice(reader));
      else if (tag === 0x10) globalWordCount = reader.uint32();
      else if (tag === 0x1a) deduplicationId = reader.string();
      else if (tag === 0x22) {
        const quota = readQuota(reader);
        quotas.set(quota.name, quota);
        if (quotas.size > MAX_QUOTAS) throw new MalformedMessage(`a check asks for more than ${MAX_QUOTAS} quotas`);
      } else reader.skip(tag & 7);
    }
    const bag = readAttributes(reader, attributes, [], undefined);
    return { bag, globalWordCount, deduplicationId, quotas: [...quotas.values()] };
  });
}

/** A ReportRequest whose bags are decoded one by one: a bag is garbage before the next one is made. */
export interface OpenReport {
  readonly globalWordCount: number;
  readonly count: number;
  /** To be gone through once. Throws MalformedMessage at a bag that cannot be read. */
  readonly bags: Iterable<AttributeBag>;
}

/** Reads a ReportRequest from its bytes. With delta encoding each bag holds what the one before held, where it says nothing else. */
export function openReportCall(bytes: Buffer): Result<OpenReport, string> {
  return guarded(() => {
    const reader = new WireReader(bytes);
    const attributes: Slice[] = [];
    const defaultWords: string[] = [];
    let globalWordCount = 0;
    let independent = false;
    while (reader.at < bytes.length) {
      const tag = reader.tag();
      if (tag === 0x0a) attributes.push(slice(reader));
      else if (tag === 0x12) defaultWords.push(reader.string());
      else if (tag === 0x18) globalWordCount = reader.uint32();
      else if (tag === 0x20) independent = reader.uint32() === 1;
      else reader.skip(tag & 7);
      if (attributes.length > MAX_BAGS) throw new MalformedMessage(`a report has more than ${MAX_BAGS} bags`);
      if (defaultWords.length > MAX_DEFAULT_WORDS) throw new MalformedMessage(`a report has more than ${MAX_DEFAULT_WORDS} default words`);
    }
    return { globalWordCount, count: attributes.length, bags: readBags(reader, attributes, defaultWords, !independent) };
  });
}

function* readBags(
  reader: WireReader,
  attributes: readonly Slice[],
  defaultWords: readonly string[],
  delta: boolean,
): Generator<AttributeBag> {
  let before: AttributeBag | undefined;
  let total = 0;
  for (const [i, part] of attributes.entries()) {
    const bag = numbered(i, () => readAttributes(reader, [part], defaultWords, before));
    if (delta) before = bag;
    total += bag.size;
    if (total > MAX_REPORTED) throw new MalformedMessage(`a report has more than ${MAX_REPORTED} attributes`);
    yield bag;
  }
}

/** The same with all bags decoded. */
export function decodeReportCall(bytes: Buffer): Result<ReportCall, string> {
  const open = openReportCall(bytes);
  if (!open.ok) return open;
  return guarded(() => ({ bags: [...open.value.bags], globalWordCount: open.value.globalWordCount }));
}

function guarded<T>(read: () => T): Result<T, string> {
  try {
    return ok(read());
  } catch (error) {
    if (error instanceof MalformedMessage) return err(error.message);
    throw error;
  }
}

function numbered<T>(index: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedMessage) throw new MalformedMessage(`attributes[${index}]: ${error.message}`);
    throw error;
  }
}

function slice(reader: WireReader): Slice {
  const length = reader.length();
  const start = reader.at;
  reader.at += length;
  return { start, end: reader.at };
}

function readQuota(reader: WireReader): QuotaRequest {
  const { start, end } = slice(reader);
  const outer = reader.end;
  let name = '';
  let amount = 0n;
  let bestEffort = false;
  reader.seek(start, end);
  while (reader.at < end) {
    const tag = reader.tag();
    if (tag === 0x0a) name = reader.string();
    else if (tag === 0x12) {
      const params = slice(reader);
      reader.seek(params.start, params.end);
      while (reader.at < params.end) {
        const field = reader.tag();
        if (field === 0x08) amount = reader.int64();
        else if (field === 0x10) bestEffort = reader.int64() !== 0n;
        else reader.skip(field & 7);
      }
      reader.seek(params.end, end);
    } else reader.skip(tag & 7);
  }
  reader.seek(end, outer);
  return { name, amount, bestEffort };
}
