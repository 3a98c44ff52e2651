import type { Clock, Random } from '@xebec/core';
import type { FormatContext, FormatRequest } from '../format/context.ts';
import { responseFlagsText } from '../response-flags.ts';
import { hexDigits } from './request-id.ts';
import type { FinishedSpan } from './span.ts';
import { extractSampled, extractTrace, injectTrace, type TraceContext, type TraceFormat } from './trace-context.ts';

export interface TracerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Takes finished spans that are sampled. */
  readonly report: (span: FinishedSpan) => void;
  readonly formats: readonly TraceFormat[];
  /** `node_id` tag. */
  /** Spans without an operation are called `ingress` or `egress HOST` (OpenTelemetry) instead of by the host (Zipkin). */
  readonly namesByDirection?: boolean;
  readonly nodeId: string;
  /** `zone` tag: `node.locality.zone`. */
  readonly zone?: string;
  readonly traceId128Bit: boolean;
  /** A server span takes over its client's span id (Zipkin's old way) instead of being its child. */
  readonly sharedSpanContext: boolean;
  /** Longest `http.url` path. */
  readonly maxPathTagLength: number;
  /** Tags of the configuration: literals, headers, formats; undefined leaves a tag out. */
  readonly customTags: ReadonlyMap<string, (context: FormatContext) => string | undefined>;
}

export interface SpanStart {
  /** `SERVER` on inbound listeners, `CLIENT` on outbound. */
  readonly kind: 'SERVER' | 'CLIENT';
  readonly name: string;
  readonly request: FormatRequest;
  /** This proxy's own decision, for requests that carry none. */
  readonly sampled: boolean;
  /** The direction, for tracers that name spans by it until something better is known. */
  readonly operation?: 'ingress' | 'egress';
  /** One try upstream of this proxy's own span: the parent is here, and only its own facts are told. */
  readonly attempt?: boolean;
}

export interface Span {
  readonly context: TraceContext;
  /** The decorator of a route or of the peer's response renames the span. */
  setName(name: string): void;
  setTag(name: string, value: string): void;
  /** Writes the context into the headers of the request that goes upstream. */
  inject(headers: string[]): void;
  /** Ends the span with the tags of the request's outcome; a span that is not sampled is forgotten. */
  finish(context: FormatContext): void;
}

export interface Tracer {
  startSpan(start: SpanStart): Span;
}

/** Spans as Envoy's connection manager makes them: one per proxy and request, B3 or W3C on the wire. */
export function createTracer(options: TracerOptions): Tracer {
  return { startSpan: (start) => new ActiveSpan(options, start) };
}

class ActiveSpan implements Span {
  readonly context: TraceContext;
  readonly #options: TracerOptions;
  readonly #kind: 'SERVER' | 'CLIENT';
  readonly #startMs: number;
  readonly #startMonotonicMs: number;
  readonly #tags: Record<string, string> = {};
  readonly #shared: boolean;
  readonly #remoteParent: boolean;
  readonly #attempt: boolean;
  #name: string;
  #finished = false;

  constructor(options: TracerOptions, start: SpanStart) {
    this.#options = options;
    this.#kind = start.kind;
    this.#attempt = start.attempt === true;
    this.#name =
      options.namesByDirection !== true || start.operation === undefined
        ? start.name
        : start.operation === 'egress'
          ? `egress ${start.name}`
          : 'ingress';
    this.#startMs = options.clock.now();
    this.#startMonotonicMs = options.clock.monotonic();
    const { headers } = start.request;
    const parent = extractTrace(headers, options.formats);
    const sampled = parent?.sampled ?? (options.formats.includes('b3') ? extractSampled(headers) : undefined) ?? start.sampled;
    this.#remoteParent = parent !== undefined && start.attempt !== true;
    this.#shared = parent !== undefined && options.sharedSpanContext && start.kind === 'SERVER';
    if (parent !== undefined && this.#shared) {
      this.context = { ...parent, sampled };
    } else {
      this.context = {
        traceId: parent?.traceId ?? hexDigits(options.traceId128Bit ? 32 : 16, options.random),
        spanId: hexDigits(16, options.random),
        parentSpanId: parent?.spanId,
        sampled,
        debug: parent?.debug ?? false,
        traceState: parent?.traceState,
      };
    }
  }
  setName(name: string): void {
    if (name !== '') this.#name = name;
  }
  setTag(name: string, value: string): void {
    this.#tags[name] = value;
  }
  inject(headers: string[]): void {
    injectTrace(headers, this.context, this.#options.formats);
  }
  finish(context: FormatContext): void {
    if (this.#finished || this.context.sampled !== true) return;
    this.#finished = true;
    const tags = { ...(this.#attempt ? attemptTags(context) : standardTags(context, this.#options)), ...this.#tags };
    for (const [name, value] of this.#options.customTags) {
      const text = value(context);
      if (text !== undefined) tags[name] = text;
    }
    this.#options.report({
      traceId: this.context.traceId,
      id: this.context.spanId,
      parentId: this.context.parentSpanId,
      name: this.#name,
      kind: this.#kind,
      startMs: this.#startMs,
      durationMs: this.#options.clock.monotonic() - this.#startMonotonicMs,
      tags,
      ...(this.#shared ? { shared: true } : {}),
      ...(this.context.traceState === undefined ? {} : { traceState: this.context.traceState }),
      ...(this.#remoteParent ? { remoteParent: true } : {}),
    });
  }
}

function find(headers: readonly string[] | undefined, name: string): string | undefined {
  if (headers === undefined) return undefined;
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1];
  return undefined;
}

/** The tags of one try upstream. */
function attemptTags({ info }: FormatContext): Record<string, string> {
  return {
    component: 'proxy',
    'http.protocol': info.protocol,
    ...(info.upstreamHost === '' ? {} : { upstream_address: info.upstreamHost, 'peer.address': info.upstreamHost }),
    upstream_cluster: info.upstreamCluster,
    'upstream_cluster.name': info.upstreamCluster,
    'http.status_code': String(info.responseCode),
    response_flags: responseFlagsText(info.responseFlags),
    ...(info.responseCode >= 500 ? { error: 'true' } : {}),
  };
}

/** The tags that Envoy gives every span. */
function standardTags(context: FormatContext, options: TracerOptions): Record<string, string> {
  const { info, request, response } = context;
  const tags: Record<string, string> = {
    component: 'proxy',
    node_id: options.nodeId,
    zone: options.zone ?? '',
    'peer.address': info.connection.directRemoteAddress ?? info.connection.remoteAddress,
    'http.protocol': info.protocol,
    'http.status_code': String(info.responseCode),
    response_flags: responseFlagsText(info.responseFlags),
    request_size: String(info.bytesReceived),
    response_size: String(info.bytesSent),
    downstream_cluster: find(request?.headers, 'x-envoy-downstream-service-cluster') ?? '-',
  };
  if (info.upstreamCluster !== '') {
    tags['upstream_cluster'] = info.upstreamCluster;
    tags['upstream_cluster.name'] = info.upstreamCluster;
  }
  if (request !== undefined) {
    const path = find(request.headers, 'x-envoy-original-path') ?? request.path;
    tags['http.url'] = `${request.scheme}://${request.authority}${path.slice(0, options.maxPathTagLength)}`;
    tags['http.method'] = request.method;
    tags['user_agent'] = find(request.headers, 'user-agent') ?? '-';
    const id = find(request.headers, 'x-request-id');
    if (id !== undefined) tags['guid:x-request-id'] = id;
    if (find(request.headers, 'content-type')?.startsWith('application/grpc') === true) {
      tags['grpc.path'] = request.path;
      tags['grpc.authority'] = request.authority ?? '';
      const status = find(context.responseTrailers, 'grpc-status') ?? find(response?.headers, 'grpc-status');
      if (status !== undefined) tags['grpc.status_code'] = status;
      if (status !== undefined && status !== '0') tags['error'] = 'true';
    }
  }
  if (info.responseCode >= 500 || info.responseCode === 0) tags['error'] = 'true';
  return tags;
}
