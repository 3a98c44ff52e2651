import type { Clock, Random } from '@xebec/core';
import type { FormatContext, FormatRequest } from '../format/context.ts';
import { responseFlagsText } from '../response-flags.ts';
import { hexDigits } from './request-id.ts';
import type { FinishedSpan } from './span.ts';
import { extractSampled, extractTrace, injectTrace, type Propagation, type TraceContext } from './trace-context.ts';

export interface TracerOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Takes finished spans that are sampled. */
  readonly report: (span: FinishedSpan) => void;
  readonly propagation: Propagation;
  /** Spans without an operation are called `ingress` or `egress HOST` (OpenTelemetry) instead of by the host (Zipkin). */
  readonly namesByDirection?: boolean;
  /** `node_id` tag. */
  readonly nodeId: string;
  /** `zone` tag: `node.locality.zone`. */
  readonly zone?: string;
  readonly traceId128Bit: boolean;
  /** A server span takes over its client's span id (Zipkin's old way) instead of being its child. */
  readonly sharedSpanContext: boolean;
  /** Longest `http.url` path. */
  readonly maxPathTagLength: number;
  /** Tags of the configuration: literals, headers, formats; undefined leaves a tag out. */
  readonly customTags: CustomTags;
}

export type CustomTags = ReadonlyMap<string, (context: FormatContext) => string | undefined>;

export interface SpanStart {
  /** `SERVER` on inbound listeners, `CLIENT` on outbound. */
  readonly kind: 'SERVER' | 'CLIENT';
  readonly name: string;
  readonly request: FormatRequest;
  /** This proxy's own decision, for requests that carry none. */
  readonly sampled: boolean;
  /** The direction, for tracers that name spans by it until something better is known. */
  readonly operation?: 'ingress' | 'egress';
  /** Renames the span when it ends; over what decorators say. */
  readonly formatName?: ((context: FormatContext) => string) | undefined;
  /** Tags of the route, over those of the tracer. */
  readonly customTags?: CustomTags | undefined;
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
  /** Undefined for a request whose context cannot be read. */
  startSpan(start: SpanStart): Span | undefined;
}

/** Spans as Envoy's connection manager makes them: one per proxy and request, B3 or W3C on the wire. */
export function createTracer(options: TracerOptions): Tracer {
  return {
    startSpan(start) {
      const parent = extractTrace(start.request.headers, options.propagation);
      return parent === 'malformed' ? undefined : new ActiveSpan(options, start, parent);
    },
  };
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
  readonly #formatName: SpanStart['formatName'];
  readonly #customTags: CustomTags | undefined;
  #name: string;
  #finished = false;

  constructor(options: TracerOptions, start: SpanStart, parent: TraceContext | undefined) {
    this.#options = options;
    this.#kind = start.kind;
    this.#attempt = start.attempt === true;
    this.#formatName = start.formatName;
    this.#customTags = start.customTags;
    this.#name =
      options.namesByDirection !== true || start.operation === undefined
        ? start.name
        : start.operation === 'egress'
          ? `egress ${start.name}`
          : 'ingress';
    this.#startMs = options.clock.now();
    this.#startMonotonicMs = options.clock.monotonic();
    const { headers } = start.request;
    const sampled = parent?.sampled ?? (options.propagation === 'w3c' ? undefined : extractSampled(headers)) ?? start.sampled;
    this.#remoteParent = parent !== undefined && start.attempt !== true;
    // Of a span that began its trace Zipkin is told so too.
    this.#shared = options.sharedSpanContext && start.kind === 'SERVER';
    if (parent !== undefined && this.#shared) {
      this.context = { ...parent, sampled };
    } else {
      const spanId = hexDigits(16, options.random);
      this.context = {
        // A short trace is called as its first span.
        traceId: parent?.traceId ?? (options.traceId128Bit ? hexDigits(32, options.random) : spanId),
        spanId,
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
    injectTrace(headers, this.context, this.#options.propagation);
  }
  finish(context: FormatContext): void {
    if (this.#finished || this.context.sampled !== true) return;
    this.#finished = true;
    const tags = { ...(this.#attempt ? attemptTags(context) : standardTags(context, this.#options)), ...this.#tags };
    for (const custom of [this.#options.customTags, this.#customTags]) {
      for (const [name, value] of custom ?? []) {
        const text = value(context);
        if (text !== undefined) tags[name] = text;
      }
    }
    this.#options.report({
      traceId: this.context.traceId,
      id: this.context.spanId,
      parentId: this.context.parentSpanId,
      name: this.#formatName?.(context) ?? this.#name,
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
function attemptTags(context: FormatContext): Record<string, string> {
  const { info } = context;
  const { attemptCount, responseFlags: flags } = info;
  // The stream ran out of time, and left this try alone.
  const canceled = flags.has('UT');
  const reason = flags.has('UF') ? 'remote connection failure' : flags.has('UC') ? 'connection termination' : undefined;
  return {
    component: 'proxy',
    'http.protocol': info.upstreamProtocol ?? '-',
    ...(info.upstreamHost === '' ? {} : { upstream_address: info.upstreamHost, 'peer.address': info.upstreamHost }),
    upstream_cluster: info.upstreamCluster,
    'upstream_cluster.name': info.upstreamCluster,
    'http.status_code': String(info.responseCode),
    response_flags: canceled ? '-' : responseFlagsText(flags),
    ...(attemptCount > 1 ? { 'retry.count': String(attemptCount - 1) } : {}),
    ...(canceled ? { canceled: 'true' } : {}),
    ...(reason === undefined ? {} : { 'error.reason': reason }),
    ...(info.responseCode >= 500 ? { error: 'true' } : {}),
    ...grpcResponseTags(context),
  };
}

/** gRPC statuses that say something is wrong with the server. */
const failing = new Set(['2', '4', '8', '12', '13', '14', '15']);

/** What the end of a gRPC call says; nothing of other requests. */
function grpcResponseTags({ request, response, responseTrailers }: FormatContext): Record<string, string> {
  const isGrpc = (headers: readonly string[] | undefined) => find(headers, 'content-type')?.startsWith('application/grpc') === true;
  if (!isGrpc(request?.headers) && !isGrpc(response?.headers)) return {};
  const status = find(responseTrailers, 'grpc-status') ?? find(response?.headers, 'grpc-status');
  const message = find(responseTrailers, 'grpc-message') ?? find(response?.headers, 'grpc-message');
  return {
    ...(status === undefined ? {} : { 'grpc.status_code': status }),
    ...(message === undefined ? {} : { 'grpc.message': message }),
    ...(status !== undefined && failing.has(status) ? { error: 'true' } : {}),
  };
}

/** The tags that Envoy gives every span. */
function standardTags(context: FormatContext, options: TracerOptions): Record<string, string> {
  const { info, request } = context;
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
    const clientTrace = find(request.headers, 'x-client-trace-id');
    if (clientTrace !== undefined) tags['guid:x-client-trace-id'] = clientTrace;
    const contentType = find(request.headers, 'content-type');
    if (contentType?.startsWith('application/grpc') === true) {
      tags['grpc.path'] = request.path;
      tags['grpc.authority'] = request.authority ?? '';
      tags['grpc.content_type'] = contentType;
      Object.assign(tags, grpcResponseTags(context));
    }
  }
  if (info.responseCode >= 500 || info.responseCode === 0) tags['error'] = 'true';
  return tags;
}
