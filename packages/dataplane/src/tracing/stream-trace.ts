import type { Random } from '@xebec/core';
import type { CompiledRoute } from '@xebec/matching';
import { decideTrace, type FormatContext, type Span, type TraceContext, withTraceReason } from '@xebec/telemetry';
import { header, type RequestHead, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import type { HttpTracing, RouteTracing } from './http-tracing.ts';

const operationHeader = 'x-envoy-decorator-operation';

/**
 * One request's place in its trace. The decision is made once, before any filter; the span lasts as long as the stream. The two
 * proxies of a call tell each other the operation's name by `x-envoy-decorator-operation`: the client's wins.
 */
export class StreamTrace {
  readonly #tracing: HttpTracing;
  readonly #span: Span | undefined;
  readonly #request: RequestHead;
  /** What an ingress proxy tells its client, unless the client has told it. */
  #tell = '';
  readonly #upstreamOperation: RouteTracing['upstreamOperation'];

  constructor(tracing: HttpTracing, request: RequestHead, route: CompiledRoute | undefined, random: Random) {
    this.#tracing = tracing;
    this.#request = request;
    const own = route?.tracing === undefined ? undefined : tracing.ofRoute(route.tracing);
    const sampled = decide(tracing, request, own, random);
    const kind = tracing.egress && !tracing.spawnUpstreamSpan ? 'CLIENT' : 'SERVER';
    this.#span = tracing.tracer?.startSpan({
      kind,
      name: request.authority,
      request,
      sampled,
      operation: tracing.egress ? 'egress' : 'ingress',
      formatName: own?.operation ?? tracing.operation,
      customTags: own?.customTags,
    });
    this.#upstreamOperation = own?.upstreamOperation ?? tracing.upstreamOperation;
    // A format for the name leaves decorators nothing to say.
    if ((own?.operation ?? tracing.operation) !== undefined) {
      if (!tracing.egress && header(request.headers, operationHeader) !== undefined) removeHeader(request.headers, operationHeader);
      return;
    }
    const operation = route?.decoratorOperation ?? '';
    this.#span?.setName(operation);
    const propagate = operation !== '' && route?.decoratorPropagate === true;
    if (tracing.egress) {
      if (propagate) setHeader(request.headers, operationHeader, operation);
      return;
    }
    const told = header(request.headers, operationHeader);
    if (told !== undefined) removeHeader(request.headers, operationHeader);
    if (told !== undefined && told !== '') this.#span?.setName(told);
    else if (propagate) this.#tell = operation;
  }
  /** Undefined when nobody is to be told of spans. */
  get context(): TraceContext | undefined {
    return this.#span?.context;
  }
  /** Writes the context into the request as it goes upstream. */
  inject(): void {
    this.#span?.inject(this.#request.headers);
  }
  /** A span for one try upstream, as a child of the request's; undefined unless the configuration wants them. */
  startAttempt(cluster: string): Span | undefined {
    const { tracer, spawnUpstreamSpan } = this.#tracing;
    const parent = this.#span;
    if (tracer === undefined || parent === undefined || !spawnUpstreamSpan) return undefined;
    // The try before this one may have left its own ids.
    parent.inject(this.#request.headers);
    const sampled = parent.context.sampled === true;
    const span = tracer.startSpan({
      kind: 'CLIENT',
      name: `router ${cluster} egress`,
      request: this.#request,
      sampled,
      attempt: true,
      formatName: this.#upstreamOperation,
    });
    span?.inject(this.#request.headers);
    return span;
  }
  /** The response's head, on its way to the client. */
  onResponse(head: ResponseHead): void {
    if (!this.#tracing.egress) {
      if (this.#tell !== '') setHeader(head.headers, operationHeader, this.#tell);
      return;
    }
    const told = header(head.headers, operationHeader);
    if (told === undefined) return;
    removeHeader(head.headers, operationHeader);
    this.#span?.setName(told);
  }
  /** The stream is over. */
  finish(context: FormatContext): void {
    this.#span?.finish(context);
  }
}

/** Whether this proxy would trace the request; the request id remembers it for those that follow. */
function decide(tracing: HttpTracing, request: RequestHead, own: RouteTracing | undefined, random: Random): boolean {
  if (!tracing.useRequestId) {
    tracing.decided.sampled.add(1);
    return true;
  }
  const id = header(request.headers, 'x-request-id');
  if (id === undefined) {
    tracing.decided.none.add(1);
    return false;
  }
  const reason = decideTrace(request.headers, id, own?.sampling ?? tracing.sampling, random);
  tracing.decided[reason].add(1);
  if (tracing.packReason) {
    const marked = withTraceReason(id, reason);
    if (marked !== id) setHeader(request.headers, 'x-request-id', marked);
  }
  return reason !== 'none';
}
