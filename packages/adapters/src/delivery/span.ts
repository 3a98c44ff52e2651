import type { Random } from '@xebec/core';
import type { TypedValue } from '@xebec/expressions';
import type { InstanceValue } from '@xebec/policy';
import { bigintField, boolField, ipField, mapField, textField } from './instance-fields.ts';

/** One end of a call. */
export interface SpanEnd {
  readonly name: string | undefined;
  readonly ip: string | undefined;
}

/** A `tracespan` instance as tracing systems have it. */
export interface ReportedSpan {
  /** 16 or 32 hexadecimal digits in lower case. */
  readonly traceId: string;
  /** 16 of them. */
  readonly id: string;
  readonly parentId: string | undefined;
  readonly name: string;
  readonly kind: 'CLIENT' | 'SERVER';
  /** Whether the caller's span has this id too, as B3 has it. */
  readonly shared: boolean;
  /** Nanoseconds since the epoch. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly tags: ReadonlyMap<string, TypedValue>;
  /** 0: none. */
  readonly httpStatus: number;
  readonly requestBytes: number | undefined;
  readonly responseBytes: number | undefined;
  readonly local: SpanEnd;
  readonly remote: SpanEnd;
}

const TRACE_ID = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/;
const SPAN_ID = /^[0-9a-f]{16}$/;
const ZEROS = /^0+$/;

/**
 * Reads a `tracespan` instance. Undefined when it cannot be part of a trace: an id is malformed or the times are missing. Without
 * a span id it gets a new one.
 */
export function readSpan({ fields }: InstanceValue, random: Random): ReportedSpan | undefined {
  const traceId = (textField(fields, 'traceId') ?? '').toLowerCase();
  const ownId = (textField(fields, 'spanId') ?? '').toLowerCase();
  const parentId = (textField(fields, 'parentSpanId') ?? '').toLowerCase();
  const startNs = bigintField(fields, 'startTime');
  const endNs = bigintField(fields, 'endTime');
  const usable = (id: string, form: RegExp) => form.test(id) && !ZEROS.test(id);
  if (!usable(traceId, TRACE_ID) || startNs === undefined || endNs === undefined) return undefined;
  if (ownId !== '' && !usable(ownId, SPAN_ID)) return undefined;
  const id = ownId === '' ? newSpanId(random) : ownId;
  const client = boolField(fields, 'clientSpan');
  const rewrite = boolField(fields, 'rewriteClientSpanId');
  const source: SpanEnd = { name: textField(fields, 'sourceName') || undefined, ip: ipField(fields, 'sourceIp') };
  const destination: SpanEnd = { name: textField(fields, 'destinationName') || undefined, ip: ipField(fields, 'destinationIp') };
  const count = (name: string): number | undefined => {
    const value = bigintField(fields, name);
    return value === undefined || value < 0n ? undefined : Number(value);
  };
  const parent = usable(parentId, SPAN_ID) ? parentId : undefined;
  return {
    traceId,
    // Where a system knows no shared spans the client's gets an id of its own, which is the parent of the server's.
    id: client && rewrite ? rewrittenId(id) : id,
    parentId: !client && rewrite ? rewrittenId(id) : parent,
    name: textField(fields, 'spanName') ?? '',
    kind: client ? 'CLIENT' : 'SERVER',
    shared: !client && !rewrite && ownId !== '',
    startNs,
    endNs: endNs < startNs ? startNs : endNs,
    tags: mapField(fields, 'spanTags'),
    httpStatus: count('httpStatusCode') ?? 0,
    requestBytes: count('requestTotalSize') ?? count('requestSize'),
    responseBytes: count('responseTotalSize') ?? count('responseSize'),
    local: client ? source : destination,
    remote: client ? destination : source,
  };
}

/** Whether a span failed: a client's from 400 on, a server's when the fault is its own. */
export function hasFailed({ kind, httpStatus }: ReportedSpan): boolean {
  return httpStatus >= (kind === 'SERVER' ? 500 : 400);
}

/** Decides by the trace id, so that all spans of a trace are kept or none. */
export function isSampled(traceId: string, share: number): boolean {
  if (share >= 1) return true;
  return Number(BigInt(`0x${traceId.slice(-16)}`) >> 11n) / 2 ** 53 < share;
}

/** The id of which both proxies of a call make the same other one. */
function rewrittenId(id: string): string {
  return (BigInt(`0x${id}`) ^ 0x9e3779b97f4a7c15n).toString(16).padStart(16, '0');
}

function newSpanId(random: Random): string {
  const half = () => Math.floor(random.next() * 2 ** 32);
  const id = (BigInt(half()) << 32n) | BigInt(half()) || 1n;
  return id.toString(16).padStart(16, '0');
}
