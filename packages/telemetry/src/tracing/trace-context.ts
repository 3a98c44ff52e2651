/** Where a request stands in a trace. Ids are lower-case hex: 16 or 32 digits for the trace, 16 for spans. */
export interface TraceContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  /** Undefined: whoever began the trace left the decision open. */
  readonly sampled: boolean | undefined;
  readonly debug: boolean;
  /** W3C `tracestate`, passed on as it came. */
  readonly traceState: string | undefined;
}

export type TraceFormat = 'b3' | 'b3-single' | 'w3c';

const traceIdPattern = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/;
const spanIdPattern = /^[0-9a-f]{16}$/;
const zeros = /^0+$/;
/** W3C says 512 characters must be kept at least; more is cut off whole. */
const maxTraceState = 512;

function find(headers: readonly string[], name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

function set(headers: string[], name: string, value: string): void {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    headers[i + 1] = value;
    return;
  }
  headers.push(name, value);
}

const valid = (traceId: string | undefined, spanId: string | undefined): boolean =>
  traceId !== undefined &&
  spanId !== undefined &&
  traceIdPattern.test(traceId) &&
  spanIdPattern.test(spanId) &&
  !zeros.test(traceId) &&
  !zeros.test(spanId);

function readB3Single(value: string): TraceContext | undefined {
  const [traceId, spanId, flag, parentSpanId] = value.toLowerCase().split('-');
  if (traceId === undefined || spanId === undefined || !valid(traceId, spanId)) return undefined;
  return {
    traceId,
    spanId,
    parentSpanId: parentSpanId !== undefined && spanIdPattern.test(parentSpanId) ? parentSpanId : undefined,
    sampled: flag === undefined ? undefined : flag === '1' || flag === 'd',
    debug: flag === 'd',
    traceState: undefined,
  };
}

function readB3(headers: readonly string[]): TraceContext | undefined {
  const traceId = find(headers, 'x-b3-traceid')?.toLowerCase();
  const spanId = find(headers, 'x-b3-spanid')?.toLowerCase();
  if (traceId === undefined || spanId === undefined || !valid(traceId, spanId)) return undefined;
  const parent = find(headers, 'x-b3-parentspanid')?.toLowerCase();
  const debug = find(headers, 'x-b3-flags') === '1';
  return {
    traceId,
    spanId,
    parentSpanId: parent !== undefined && spanIdPattern.test(parent) ? parent : undefined,
    sampled: debug ? true : sampledFlag(find(headers, 'x-b3-sampled')),
    debug,
    traceState: undefined,
  };
}

function readW3c(headers: readonly string[]): TraceContext | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(find(headers, 'traceparent') ?? '');
  if (match === null) return undefined;
  const [, version = '', traceId = '', spanId = '', flags = '', more] = match;
  // Version 255 is forbidden, and version 0 has nothing after its flags (W3C Trace Context, 2.2).
  if (version === 'ff' || (version === '00' && more !== undefined) || !valid(traceId, spanId)) return undefined;
  const state = find(headers, 'tracestate');
  return {
    traceId,
    spanId,
    parentSpanId: undefined,
    sampled: (Number.parseInt(flags, 16) & 1) === 1,
    debug: false,
    traceState: state !== undefined && state.length <= maxTraceState ? state : undefined,
  };
}

function sampledFlag(value: string | undefined): boolean | undefined {
  if (value === '1' || value === 'true') return true;
  return value === '0' || value === 'false' ? false : undefined;
}

/** The context that a request carries: B3 single, B3 multi, then W3C, or only W3C where only that is spoken. Nonsense is as good as none. */
export function extractTrace(headers: readonly string[], formats?: readonly TraceFormat[]): TraceContext | undefined {
  if (formats?.length === 1 && formats[0] === 'w3c') return readW3c(headers);
  const single = find(headers, 'b3');
  return (single === undefined ? undefined : readB3Single(single)) ?? readB3(headers) ?? readW3c(headers);
}

/** A sampling decision without ids, such as a lone `x-b3-sampled: 0` or `b3: 0`. */
export function extractSampled(headers: readonly string[]): boolean | undefined {
  const single = find(headers, 'b3');
  if (single === 'd') return true;
  return sampledFlag(single) ?? (find(headers, 'x-b3-flags') === '1' ? true : sampledFlag(find(headers, 'x-b3-sampled')));
}

/** Writes the context for whoever is called next. */
export function injectTrace(headers: string[], context: TraceContext, formats: readonly TraceFormat[]): void {
  const sampled = context.sampled === true ? '1' : '0';
  if (formats.includes('b3')) {
    set(headers, 'x-b3-traceid', context.traceId);
    set(headers, 'x-b3-spanid', context.spanId);
    if (context.parentSpanId !== undefined) set(headers, 'x-b3-parentspanid', context.parentSpanId);
    set(headers, 'x-b3-sampled', sampled);
  }
  if (formats.includes('b3-single')) {
    const parent = context.parentSpanId === undefined ? '' : `-${context.parentSpanId}`;
    set(headers, 'b3', `${context.traceId}-${context.spanId}-${context.debug ? 'd' : sampled}${parent}`);
  }
  if (formats.includes('w3c')) {
    set(headers, 'traceparent', `00-${context.traceId.padStart(32, '0')}-${context.spanId}-0${sampled}`);
    // Envoy's OpenTelemetry tracer writes an empty one too.
    if (context.traceState !== undefined || formats.length === 1) set(headers, 'tracestate', context.traceState ?? '');
  }
}
