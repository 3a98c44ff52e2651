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

/** What a tracer reads and writes: B3 in both forms, B3 and W3C side by side, or W3C alone. */
export type Propagation = 'b3' | 'b3-and-w3c' | 'w3c';

/** A request that carries a context which cannot be read: Envoy then takes no part in its trace. */
export type Extracted = TraceContext | 'malformed' | undefined;

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

function remove(headers: string[], name: string): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) if (headers[i] === name) headers.splice(i, 2);
}

const isHex = (traceId: string | undefined, spanId: string | undefined): boolean =>
  traceId !== undefined && spanId !== undefined && traceIdPattern.test(traceId) && spanIdPattern.test(spanId);

function readB3Single(value: string): Extracted {
  const [traceId, spanId, flag, parentSpanId] = value.toLowerCase().split('-');
  // A decision without ids.
  if (spanId === undefined) return traceId !== undefined && /^[01d]$/.test(traceId) ? undefined : 'malformed';
  if (traceId === undefined || !isHex(traceId, spanId) || (flag !== undefined && !/^[01d]$/.test(flag))) return 'malformed';
  if (parentSpanId !== undefined && !spanIdPattern.test(parentSpanId)) return 'malformed';
  return {
    traceId,
    spanId,
    parentSpanId,
    sampled: flag === undefined ? undefined : flag !== '0',
    debug: flag === 'd',
    traceState: undefined,
  };
}

function readB3(headers: readonly string[]): Extracted {
  const traceId = find(headers, 'x-b3-traceid')?.toLowerCase();
  const spanId = find(headers, 'x-b3-spanid')?.toLowerCase();
  if (traceId === undefined || spanId === undefined) return undefined;
  if (!isHex(traceId, spanId)) return 'malformed';
  const parent = find(headers, 'x-b3-parentspanid')?.toLowerCase();
  const debug = find(headers, 'x-b3-flags') === '1';
  return {
    // A long id whose upper half is nothing is a short one.
    traceId: traceId.replace(/^0{16}(?=.{16}$)/, ''),
    spanId,
    parentSpanId: parent !== undefined && spanIdPattern.test(parent) ? parent : undefined,
    sampled: debug ? true : sampledFlag(find(headers, 'x-b3-sampled')),
    debug,
    traceState: undefined,
  };
}

function readW3c(headers: readonly string[]): Extracted {
  const value = find(headers, 'traceparent');
  if (value === undefined) return undefined;
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(value.toLowerCase());
  if (match === null) return 'malformed';
  const [, traceId = '', spanId = '', flags = ''] = match;
  if (zeros.test(traceId) || zeros.test(spanId)) return 'malformed';
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

/** The context that a request carries: B3 single before B3 multi, and W3C after both or alone. */
export function extractTrace(headers: readonly string[], propagation: Propagation): Extracted {
  if (propagation === 'w3c') return readW3c(headers);
  const single = find(headers, 'b3');
  const found = single === undefined ? readB3(headers) : readB3Single(single);
  return found ?? (propagation === 'b3-and-w3c' && extractSampled(headers) === undefined ? readW3c(headers) : undefined);
}

/** A sampling decision without ids, such as a lone `x-b3-sampled: 0` or `b3: 0`. */
export function extractSampled(headers: readonly string[]): boolean | undefined {
  const single = find(headers, 'b3');
  if (single === 'd') return true;
  return sampledFlag(single) ?? (find(headers, 'x-b3-flags') === '1' ? true : sampledFlag(find(headers, 'x-b3-sampled')));
}

/** Writes the context for whoever is called next; B3 in the form in which it came. */
export function injectTrace(headers: string[], context: TraceContext, propagation: Propagation): void {
  const sampled = context.sampled === true ? '1' : '0';
  if (propagation !== 'w3c') {
    if (find(headers, 'b3') !== undefined) {
      const parent = context.parentSpanId === undefined ? '' : `-${context.parentSpanId}`;
      set(headers, 'b3', `${context.traceId}-${context.spanId}-${sampled}${parent}`);
    } else {
      set(headers, 'x-b3-traceid', context.traceId);
      set(headers, 'x-b3-spanid', context.spanId);
      // A span without a parent begins its trace: an id that came with half a context is nobody's.
      if (context.parentSpanId === undefined) remove(headers, 'x-b3-parentspanid');
      else set(headers, 'x-b3-parentspanid', context.parentSpanId);
      set(headers, 'x-b3-sampled', sampled);
    }
  }
  if (propagation === 'b3') return;
  set(headers, 'traceparent', `00-${context.traceId.padStart(32, '0')}-${context.spanId}-0${sampled}`);
  // Envoy's OpenTelemetry tracer writes an empty one too.
  if (propagation === 'w3c') set(headers, 'tracestate', context.traceState ?? '');
}
