import type { LocalReply } from '@xebec/filters';
import { type CompiledRoute, type ForwardAction, rewriteHost } from '@xebec/matching';
import type { InternalRedirectPolicy } from '@xebec/protos/envoy/config/route/v3/route_components';
import type { Span } from '@xebec/telemetry';
import { type ByteMeter, type HeaderList, header, type RequestHead, type ResponseHead, removeHeader, setHeader } from '@xebec/wire';
import { chooseHost, poolFor } from './attempt-target.ts';
import { type AttemptTimeoutOwner, AttemptTimeouts } from './attempt-timeouts.ts';
import { HedgedAttempts } from './hedged-attempts.ts';
import type { HttpStream } from './http-stream.ts';
import { redirectRules } from './internal-redirect.ts';
import { type MirroredBody, mirrorRequest } from './mirror.ts';
import { announceTimeout, expectedTimeoutMs } from './request-timeout.ts';
import type { Retries } from './retries.ts';
import { type AttemptFailure, retriesReset, retriesResponse } from './retry-policy.ts';
import { type RoutedRequest, routeRequest } from './routed-request.ts';
import { SentBody } from './sent-body.ts';
import { type AttemptOwner, UpstreamAttempt } from './upstream-attempt.ts';
import { failureDetails, failureReply } from './upstream-failure.ts';

const emptyBody = Buffer.alloc(0);
/** What Envoy takes for an interim answer. */
const countedInterim = new Set([100, 102, 103, 104]);
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** The end of the filter chain: sends a request to a host of the route's cluster, again where the retry policy says so. */
export class Router implements AttemptOwner, AttemptTimeoutOwner {
  readonly #stream: HttpStream;
  readonly #route: CompiledRoute;
  readonly #action: ForwardAction;
  readonly #timeouts: AttemptTimeouts;
  readonly #body = new SentBody();
  #request: RoutedRequest | undefined = undefined;
  #attempt: UpstreamAttempt | undefined = undefined;
  #attemptSpan: Span | undefined = undefined;
  /** Of the last try that had a connection, and of those before it. */
  #bytes: ByteMeter | undefined = undefined;
  #mirrors: MirroredBody[] | undefined = undefined;
  #hedged: HedgedAttempts | undefined = undefined;
  /** When the client's request was whole. */
  #sentAt = 0;
  #headOnly = false;
  #replayed = false;
  /** The response's head has gone to the client. */
  #committed = false;
  /** A 1xx has gone to the client. */
  #interim = false;
  #done = false;

  constructor(stream: HttpStream, route: CompiledRoute, action: ForwardAction) {
    this.#stream = stream;
    this.#route = route;
    this.#action = action;
    this.#timeouts = new AttemptTimeouts(this, stream.deadlines, stream.clock);
  }
  // The request, from the last filter.
  start(head: RequestHead, endStream: boolean): void {
    const stream = this.#stream;
    const request = routeRequest(stream, this.#route, this.#action, head);
    if (request === undefined) return;
    this.#request = request;
    this.#body.ended = endStream;
    this.#headOnly = endStream;
    const { rules } = request.retries;
    this.#body.kept = (rules.count > 0 && rules.on.size > 0) || this.#action.internalRedirect !== undefined;
    if (this.#action.mirrors.length > 0 && head.upgrade === undefined)
      this.#mirrors = mirrorRequest(this.#action.mirrors, head, endStream, stream);
    // A request without a body has taken no time yet.
    this.#sentAt = endStream ? stream.info.startMonotonicMs : stream.clock.monotonic();
    // Envoy gives the handshake of a websocket the route's time, other requests from when they are whole.
    if (head.upgrade === 'websocket') this.#timeouts.armWhole(request.timeoutMs, this.#sentAt);
    this.#startAttempt();
    if (endStream && !this.#done) this.#requestComplete(this.#sentAt);
  }
  onData(data: Buffer, endStream: boolean): void {
    if (this.#done) return;
    const body = this.#body;
    body.ended = endStream;
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.data(data, endStream);
    const attempt = this.#attempt;
    const flowing = attempt?.connected === true;
    if (body.kept || !flowing) {
      body.add(data);
      const full = body.bytes > this.#bufferLimit;
      if (full && flowing) body.drop();
      if (full && !flowing) this.#stream.pauseRequest();
    }
    if (flowing && !attempt.sendData(data, endStream)) this.#stream.pauseRequest();
    if (endStream) this.#requestComplete(this.#stream.clock.monotonic());
  }
  onTrailers(trailers: HeaderList): void {
    if (this.#done) return;
    this.#body.end(trailers);
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.data(emptyBody, true);
    if (this.#attempt?.connected === true) this.#attempt.sendTrailers(trailers);
    this.#requestComplete(this.#stream.clock.monotonic());
  }
  /** The downstream stream is over, or something else has answered. */
  cancel(): void {
    if (this.#done) return;
    this.#finish();
    this.#attempt?.cancel();
  }
  /** The current try's own span ends: it is over, or the stream is. */
  endAttemptSpan(): void {
    const span = this.#attemptSpan;
    if (span === undefined) return;
    this.#attemptSpan = undefined;
    // What a retry hides from the stream.
    const status = this.#attempt?.status ?? 0;
    span.setTag('http.status_code', String(status));
    if (status >= 500) span.setTag('error', 'true');
    span.finish(this.#stream.formatContext);
  }
  pauseResponse(): void {
    this.#attempt?.pause();
  }
  resumeResponse(): void {
    this.#attempt?.resume();
  }
  // The attempt's events.
  onConnected(attempt: UpstreamAttempt): void {
    const request = this.#request;
    if (request === undefined || this.#done) return;
    request.answers.countInParts('upstream_rq_total');
    this.#noteUpstream(attempt);
    this.#rewriteHost(attempt, request);
    const body = this.#body;
    // The codec reads the head at once: retries may change it afterwards.
    attempt.sendHead(request.head, body.empty);
    const flowing = body.empty || body.replay(attempt, () => !this.#done && this.#attempt === attempt);
    if (flowing === undefined) return;
    if (!body.kept || body.bytes > this.#bufferLimit) body.drop();
    if (flowing) this.#stream.resumeRequest();
    else this.#stream.pauseRequest();
  }
  onInterim(attempt: UpstreamAttempt, head: ResponseHead): void {
    if (attempt !== this.#attempt || this.#done) return;
    // The client may have seen something of this try.
    this.#body.drop();
    if (!this.#interim && countedInterim.has(head.status)) this.#request?.answers.interim(head.status);
    this.#interim = true;
    this.#stream.onUpstreamInterim(head);
  }
  onResponseHead(attempt: UpstreamAttempt, head: ResponseHead, endStream: boolean): void {
    const request = this.#request;
    if (this.#done || request === undefined) return;
    if (this.#hedged !== undefined) this.#judgeHedged(attempt, head, request.retries);
    if (attempt !== this.#attempt) return;
    if (!attempt.upgraded && head.status < 400 && request.head.upgrade === 'websocket' && attempt.connection?.protocol === 'http1') {
      this.#refuseHandshake(attempt, head, request);
      return;
    }
    if (this.#retriesAnswer(attempt, head, request)) {
      if (!endStream) attempt.cancel();
      return;
    }
    if (this.#action.internalRedirect !== undefined && this.#redirects(this.#action.internalRedirect, head, request)) return;
    const { answers, retries } = request;
    answers.canary = header(head.headers, 'x-envoy-upstream-canary') === 'true' || attempt.host.canary;
    answers.answered(head.status, attempt.host);
    if (retries.retried && head.status < 500) retries.succeeded();
    this.#commit(attempt, endStream);
    const serviceMs = Math.max(0, Math.round(this.#stream.clock.monotonic() - this.#sentAt));
    this.#finalize(head, request, serviceMs);
    if (endStream) this.#complete(serviceMs);
    this.#stream.onUpstreamHead(head, endStream);
  }
  #isTunnel(attempt: UpstreamAttempt): boolean {
    return attempt.upgraded || this.#request?.head.method === 'CONNECT';
  }
  /** The upstream answers as if nothing had been asked of it: its head goes on, and nothing else. */
  #refuseHandshake(attempt: UpstreamAttempt, head: ResponseHead, request: RoutedRequest): void {
    this.#stream.info.responseCodeDetails = 'websocket_handshake_unsuccessful';
    attempt.cancel();
    removeHeader(head.headers, 'content-length');
    request.answers.answered(head.status, attempt.host);
    this.#commit(attempt, true);
    const serviceMs = Math.max(0, Math.round(this.#stream.clock.monotonic() - this.#sentAt));
    this.#finalize(head, request, serviceMs);
    this.#complete(serviceMs);
    this.#stream.onUpstreamHead(head, true);
  }
  onResponseData(attempt: UpstreamAttempt, data: Buffer, endStream: boolean): void {
    if (attempt !== this.#attempt || !this.#committed) return;
    if (endStream) this.#complete(this.#stream.clock.monotonic() - this.#sentAt);
    else this.#armTryIdle();
    this.#stream.onUpstreamData(data, endStream);
  }
  onResponseTrailers(attempt: UpstreamAttempt, trailers: HeaderList): void {
    if (attempt !== this.#attempt || !this.#committed) return;
    this.#complete(this.#stream.clock.monotonic() - this.#sentAt);
    this.#stream.onUpstreamTrailers(trailers);
  }
  onUpstreamDrain(attempt: UpstreamAttempt): void {
    if (attempt === this.#attempt) this.#stream.resumeRequest();
  }
  onFailure(attempt: UpstreamAttempt, reason: AttemptFailure, detail: string): void {
    if (this.#hedged?.remove(attempt) === true) return;
    if (attempt !== this.#attempt || this.#done) return;
    const { info } = this.#stream;
    if (detail !== '' && reason === 'connection-failure') info.upstreamTransportFailureReason = detail;
    if (reason !== 'overflow' || attempt.connection !== undefined) info.upstreamHost = attempt.host.text;
    if (this.#committed) this.#cutOff(attempt, reason);
    else if (!this.#replayIdle(attempt, reason) && !this.#retriesFailure(reason, attempt.sent)) this.#fail(reason, detail);
  }
  // Time.
  onTimeout(): void {
    if (this.#done) return;
    this.#request?.cluster.stats.rqTimeout.add(1);
    this.#request?.answers.countInParts('upstream_rq_timeout');
    if (this.#attempt !== undefined) {
      this.#attempt.host.timeouts++;
      if (!this.#committed) this.#attempt.host.errors++;
    }
    this.#timedOut('response_timeout');
  }
  onTryTimeout(): void {
    const attempt = this.#attempt;
    if (this.#done || this.#committed || attempt === undefined || this.#request === undefined) return;
    const { cluster } = this.#request;
    cluster.stats.rqPerTryTimeout.add(1);
    attempt.host.timeouts++;
    attempt.host.errors++;
    if (this.#hedge(attempt)) return;
    attempt.cancel();
    cluster.outliers?.onStatus(attempt.host, 504);
    if (!this.#retriesFailure('per-try-timeout', true)) this.#timedOut('upstream_per_try_timeout');
  }
  onTryIdle(): void {
    const attempt = this.#attempt;
    if (this.#done || attempt === undefined || this.#request === undefined) return;
    this.#request.cluster.stats.rqPerTryIdleTimeout.add(1);
    attempt.cancel();
    if (this.#committed || !this.#retriesFailure('per-try-timeout', true)) this.#timedOut('upstream_per_try_idle_timeout');
  }
  onStreamLimit(): void {
    if (this.#done) return;
    this.#request?.cluster.stats.rqMaxDuration.add(1);
    this.#stream.info.responseFlags.add('UMSDR');
    this.#attempt?.cancel();
    this.#finish();
    this.#giveUp({ status: 504, body: 'upstream max stream duration reached', details: 'upstream_max_stream_duration_reached' });
  }
  // Tries.
  #startAttempt(): void {
    const request = this.#request;
    if (request === undefined || this.#done) return;
    const { head, cluster, retries } = request;
    const stream = this.#stream;
    const host = chooseHost(stream, cluster, this.#action, head, request.hash, retries);
    if (host === undefined) {
      cluster.stats.noneHealthy.add(1);
      request.answers.answered(503, this.#attempt?.host);
      this.#finish();
      this.#reply({ status: 503, body: 'no healthy upstream', details: 'no_healthy_upstream', flag: 'UH' });
      return;
    }
    retries.begin(host);
    if (retries.attempts > 1) this.#announceRetry(request);
    this.#attemptSpan = stream.trace?.startAttempt(cluster.config.name);
    const high = this.#action.priority === 'high';
    const owner = cluster.ownerOf(host);
    const pool = poolFor(stream, owner, host, head, this.#action);
    const attempt = new UpstreamAttempt(this, owner, host, pool, high ? owner.highLimits : owner.limits);
    this.#attempt = attempt;
    stream.info.attemptCount = retries.attempts;
    attempt.start();
    if (this.#attempt !== attempt || this.#done) return;
    if (this.#body.ended) this.#armTry();
    this.#timeouts.armStream(cluster.config.maxStreamMs);
  }
  /** What later tries tell the upstream: the time that is left, and which try it is. */
  #announceRetry({ head, retries, timeoutMs, hedges }: RoutedRequest): void {
    const { settings, clock } = this.#stream;
    const spentMs = Math.round(clock.monotonic() - this.#sentAt);
    const expectedMs = expectedTimeoutMs(timeoutMs, hedges ? 0 : retries.rules.perTryTimeoutMs, spentMs);
    announceTimeout(head, this.#action, expectedMs, false, settings.suppressEnvoyHeaders);
    if (this.#route.virtualHost.includeRequestAttemptCount) setHeader(head.headers, 'x-envoy-attempt-count', String(retries.attempts));
  }
  #noteUpstream({ host, connection, bytes }: UpstreamAttempt): void {
    const { info } = this.#stream;
    if (this.#bytes !== undefined) bytes?.addBytesOf(this.#bytes);
    this.#bytes = bytes;
    info.upstreamBytes = bytes;
    // Of tries before this one nothing is told.
    info.upstreamTransportFailureReason = '';
    info.upstreamHost = host.text;
    info.upstreamLocalAddress = connection?.localAddress ?? '';
    info.upstreamConnection = connection;
    if (host.config.hostname !== '') info.upstreamHostName = host.config.hostname;
    info.upstreamTls = connection?.tls ?? false;
    info.upstreamHostMetadata = host.config.metadata;
    if (connection?.tls === true) info.upstreamPeer = connection.peer;
  }
  #rewriteHost({ host }: UpstreamAttempt, { head, retries }: RoutedRequest): void {
    const { hostname } = host.config;
    if (this.#action.hostRewrite?.kind !== 'auto' || hostname === '') return;
    if (retries.attempts === 1) rewriteHost(head, hostname, this.#action.appendXForwardedHost);
    else head.authority = hostname;
  }
  #requestComplete(nowMs: number): void {
    this.#sentAt = nowMs;
    this.#stream.info.requestDurationMs = nowMs - this.#stream.info.startMonotonicMs;
    this.#timeouts.armWhole(this.#request?.timeoutMs ?? 0, nowMs);
    if (!this.#headOnly) this.#armTry();
  }
  #armTry(): void {
    this.#armTryIdle();
    this.#timeouts.armTry(this.#committed ? 0 : (this.#request?.retries.rules.perTryTimeoutMs ?? 0));
  }
  #armTryIdle(): void {
    this.#timeouts.armTryIdle(this.#request?.retries.rules.perTryIdleTimeoutMs ?? 0);
  }
  // Retries.
  #retriesAnswer({ upgraded }: UpstreamAttempt, head: ResponseHead, { retries, cluster }: RoutedRequest): boolean {
    if (upgraded || !retriesResponse(retries.rules, head.status, head.headers) || !this.#takeRetry()) return false;
    cluster.stats.retriedStatus(head.status);
    return true;
  }
  /** Tries again after an attempt without a response, where the rules say so. */
  #retriesFailure(reason: AttemptFailure, sent: boolean): boolean {
    const rules = this.#request?.retries.rules;
    return rules !== undefined && retriesReset(rules, reason, sent) && this.#takeRetry();
  }
  /** Schedules the next try if there may be one and all that was sent can be sent again. */
  #takeRetry(delayMs?: number): boolean {
    const retries = this.#request?.retries;
    if (retries === undefined || !retries.left || !this.#body.kept) return false;
    if (!retries.schedule(() => this.#startAttempt(), delayMs)) return false;
    this.#timeouts.endTry();
    this.endAttemptSpan();
    return true;
  }
  /** A try that is over its time goes on beside the next one, and its answer is taken if it is the first good one. */
  #hedge(attempt: UpstreamAttempt): boolean {
    if (this.#request?.hedges !== true || !this.#body.ended || !this.#takeRetry(0)) return false;
    this.#hedged ??= new HedgedAttempts();
    this.#hedged.add(attempt);
    this.#attempt = undefined;
    return true;
  }
  #judgeHedged(attempt: UpstreamAttempt, head: ResponseHead, retries: Retries): void {
    const { rules, attempts } = retries;
    if (this.#hedged?.judge(attempt, head, rules, attempts > rules.count) !== true) return;
    retries.cancel();
    this.#attempt?.cancel();
    this.#attempt = attempt;
  }
  /**
   * A reused connection that its peer closed before a byte of the response: the peer was closing it while idle. A request that may
   * be repeated is sent once more whatever the retry policy (RFC 9112 section 9.3.1).
   */
  #replayIdle(attempt: UpstreamAttempt, reason: AttemptFailure): boolean {
    if (this.#replayed || !attempt.reused || reason !== 'connection-termination' || !this.#headOnly) return false;
    const request = this.#request;
    if (request === undefined || !idempotent.has(request.head.method)) return false;
    this.#replayed = true;
    request.retries.attempts--;
    this.#startAttempt();
    return true;
  }
  /** Begins anew where a redirect leads that the policy follows. */
  #redirects(policy: InternalRedirectPolicy, head: ResponseHead, { cluster }: RoutedRequest): boolean {
    const rules = redirectRules(policy);
    if (!rules.codes.has(head.status)) return false;
    const body = this.#body;
    const whole = body.ended && (this.#headOnly || body.kept) && header(head.headers, 'location') !== undefined;
    const followed = whole && this.#stream.followRedirect(rules, head, body);
    cluster.stats.part('').count(followed ? 'upstream_internal_redirect_succeeded_total' : 'upstream_internal_redirect_failed_total');
    return followed;
  }
  // The response.
  /** From here on the client gets this attempt's response, whatever becomes of it. */
  #commit(attempt: UpstreamAttempt, endStream: boolean): void {
    this.#committed = true;
    this.#body.drop();
    const timeouts = this.#timeouts;
    timeouts.endTry();
    if (attempt.upgraded) timeouts.endWhole();
    if (endStream) timeouts.endTryIdle();
    else this.#armTryIdle();
  }
  /** Notes the answer, and adds to its head what the client is told. */
  #finalize(head: ResponseHead, { retries, setCookie }: RoutedRequest, serviceMs: number): void {
    const stream = this.#stream;
    const { info } = stream;
    stream.response = head;
    info.responseCode = head.status;
    info.upstreamServiceTimeMs = serviceMs;
    info.attemptCount = retries.attempts;
    if (!stream.settings.suppressEnvoyHeaders && stream.requestEnded)
      setHeader(head.headers, 'x-envoy-upstream-service-time', String(serviceMs));
    if (this.#route.virtualHost.includeAttemptCountInResponse) setHeader(head.headers, 'x-envoy-attempt-count', String(retries.attempts));
    if (setCookie !== undefined) head.headers.push('set-cookie', setCookie);
    if (info.responseCodeDetails === '') info.responseCodeDetails = 'via_upstream';
    this.#route.finalizeResponse(head, stream.clusterChoice(this.#action), stream.formatContext);
  }
  /** The whole response has come from upstream. */
  #complete(ms: number): void {
    this.#finish();
    this.#request?.answers.took(ms, this.#attempt?.host);
  }
  // Failures.
  /** The upstream ended a response in its midst. */
  #cutOff(attempt: UpstreamAttempt, reason: AttemptFailure): void {
    const { info } = this.#stream;
    // An HTTP/1 message without its end is malformed.
    const cut =
      reason === 'connection-termination' && attempt.connection?.protocol === 'http1' && !this.#isTunnel(attempt)
        ? 'protocol-error'
        : reason;
    info.responseFlags.add(cut === 'remote-reset' ? 'UR' : cut === 'protocol-error' ? 'UPE' : 'UC');
    info.responseCodeDetails = `upstream_reset_after_response_started{${failureDetails(cut)}}`;
    this.#finish();
    this.#stream.abortResponse();
  }
  #fail(reason: AttemptFailure, detail: string): void {
    this.#finish();
    const retried = this.#request?.retries.retried === true;
    const reply = failureReply(reason, detail, retried, this.#stream.settings.suppressEnvoyHeaders);
    if (!this.#interim) this.#request?.answers.answered(reply.status, this.#attempt?.host);
    // What the client has seen of it was the beginning of an answer.
    const details = this.#interim ? reply.details.replace('before_response', 'after_response') : reply.details;
    this.#reply({ ...reply, details });
  }
  #timedOut(details: string): void {
    const { info } = this.#stream;
    const attempt = this.#attempt;
    if (attempt !== undefined && info.upstreamHost === '') info.upstreamHost = attempt.host.text;
    info.responseFlags.add('UT');
    this.#finish();
    attempt?.cancel();
    if (!this.#committed) this.#request?.answers.answered(504, attempt?.host);
    this.#giveUp({ status: 504, body: 'upstream request timeout', details, flag: 'UT' });
  }
  /** Answers in the upstream's place: the client is told of the tries all the same. */
  #reply(reply: LocalReply): void {
    const attempts = String(Math.max(1, this.#request?.retries.attempts ?? 1));
    const told = this.#route.virtualHost.includeAttemptCountInResponse;
    this.#stream.sendLocalReply(told ? { ...reply, headers: [...(reply.headers ?? []), 'x-envoy-attempt-count', attempts] } : reply);
  }
  /** Time is up: answers so, or cuts off the response that has begun. */
  #giveUp(reply: LocalReply): void {
    if (!this.#committed) {
      this.#reply(reply);
      return;
    }
    this.#stream.info.responseCodeDetails = reply.details;
    this.#stream.abortResponse();
  }
  #finish(): void {
    this.#done = true;
    this.#timeouts.close();
    this.#hedged?.cancel();
    this.#request?.retries.cancel();
  }
  get #bufferLimit(): number {
    return this.#route.bufferLimitBytes ?? this.#stream.settings.bufferLimitBytes;
  }
}
