import { Deadline, type DeadlineOwner } from '@xebec/core';
import { upstreamAlpnByVersionKey, upstreamAlpnKey } from '@xebec/filters';
import type { CompiledRoute, ForwardAction } from '@xebec/matching';
import { isGrpcRequest, requestHeader, rewriteHost } from '@xebec/matching';
import type { Span } from '@xebec/telemetry';
import { type HeaderList, header, type RequestHead, type ResponseHead, setHeader } from '@xebec/wire';
import type { Cluster } from '../clusters/cluster.ts';
import type { Host } from '../clusters/host.ts';
import { canRetry } from '../clusters/resource-limits.ts';
import type { ResponseStats } from '../clusters/response-stats.ts';
import { metadataAt, routeCriteria } from '../clusters/route-criteria.ts';
import { keptBytes } from '../net/read-area.ts';
import type { HttpProtocol } from './codecs.ts';
import type { HttpStream } from './http-stream.ts';
import { type MirroredBody, mirrorRequest } from './mirror.ts';
import { originalDestination, proxiedDestination } from './original-destination.ts';
import { requestHash } from './request-hash.ts';
import { hasEnvoyHeaders, removeRouterHeaders } from './request-headers.ts';
import { grpcTimeoutText, requestTimeoutMs } from './request-timeout.ts';
import {
  type AttemptFailure,
  asksForHedging,
  type RetryRules,
  requestRules,
  retriesReset,
  retriesResponse,
  retryDelayMs,
  retryRules,
} from './retry-policy.ts';
import { routeStats, virtualClusterOf } from './route-stats.ts';
import { type AttemptOwner, UpstreamAttempt } from './upstream-attempt.ts';
import { failureDetails, failureReply } from './upstream-failure.ts';

const noBody: readonly Buffer[] = [];
const noParts: readonly ResponseStats[] = [];
const emptyBody = Buffer.alloc(0);
const wholeKind = 0;
const tryKind = 1;
const tryIdleKind = 2;
const durationKind = 3;
/** What Envoy takes for an interim answer. */
const countedInterim = new Set([100, 102, 103, 104]);
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Whether the connection manager or a caller inside the proxy has found the request to be internal. */
function isInternal(head: RequestHead): boolean {
  return header(head.headers, 'x-envoy-internal') === 'true';
}

/** The end of the filter chain: sends a request to a host of the route's cluster, again where the retry policy says so. */
export class Router implements AttemptOwner, DeadlineOwner {
  readonly #stream: HttpStream;
  readonly #route: CompiledRoute;
  readonly #action: ForwardAction;
  #cluster: Cluster | undefined = undefined;
  #head: RequestHead | undefined = undefined;
  #rules: RetryRules | undefined = undefined;
  #timeoutMs = 0;
  #attempt: UpstreamAttempt | undefined = undefined;
  #attemptSpan: Span | undefined = undefined;
  /** Body so far: kept for retries, or until there is a connection. */
  #body: Buffer[] | undefined = undefined;
  #bodyBytes = 0;
  #keepBody = false;
  #trailers: HeaderList | undefined = undefined;
  #endStream = false;
  #headOnly = false;
  #attempts = 0;
  #retried = false;
  #replayed = false;
  #committed = false;
  /** A 1xx has gone to the client. */
  #interim = false;
  #done = false;
  #tried: Host[] | undefined = undefined;
  #sentAt = 0;
  #timeout: Deadline | undefined = undefined;
  #tryTimeout: Deadline | undefined = undefined;
  #cancelBackoff: (() => void) | undefined = undefined;
  #mirrors: MirroredBody[] | undefined = undefined;
  #hedges = false;
  /** Tries that took longer than their time and may still win. */
  #hedged: UpstreamAttempt[] | undefined = undefined;
  #tryIdle: Deadline | undefined = undefined;
  #streamLimit: Deadline | undefined = undefined;
  #hash: bigint | undefined = undefined;
  #setCookie: string | undefined = undefined;
  #canary = false;
  /** Virtual cluster and route, where they are counted apart. */
  #parts: readonly ResponseStats[] = noParts;

  constructor(stream: HttpStream, route: CompiledRoute, action: ForwardAction) {
    this.#stream = stream;
    this.#route = route;
    this.#action = action;
  }
  get waitsForBody(): boolean {
    return !this.#endStream;
  }
  /** The request's head has passed all filters. */
  start(head: RequestHead, endStream: boolean): void {
    const stream = this.#stream;
    const { info, settings } = stream;
    const choice = stream.clusterChoice(this.#action);
    const cluster = choice.name === '' ? undefined : stream.clusters.get(choice.name);
    if (cluster === undefined) {
      settings.stats.noCluster.add(1);
      stream.sendLocalReply({ status: this.#action.clusterNotFoundStatus, body: '', details: 'cluster_not_found', flag: 'NC' });
      return;
    }
    this.#cluster = cluster;
    info.upstreamCluster = choice.name;
    info.attemptCount = 1;
    info.clusterMetadata = cluster.config.metadata;
    const virtualCluster = virtualClusterOf(this.#route, head);
    if (virtualCluster !== undefined) info.virtualClusterName = virtualCluster;
    if (virtualCluster !== undefined || this.#route.proto.statPrefix !== '')
      this.#parts = routeStats(settings.stats.root, this.#route, virtualCluster);
    const dropped = cluster.dropsOverload();
    if (dropped !== undefined) {
      const name = dropped === 'all' ? 'unconditional-drop-overload' : 'drop-overload';
      this.#charge(503, isInternal(head));
      this.#finish();
      stream.sendLocalReply({
        status: 503,
        body: name.replaceAll('-', ' '),
        details: name.replaceAll('-', '_'),
        flag: 'DO',
        headers: settings.suppressEnvoyHeaders ? [] : [`x-envoy-${name}`, 'true'],
      });
      return;
    }
    const asks = hasEnvoyHeaders(head.headers);
    this.#rules = asks ? retryRules(this.#action.retryPolicy, head) : requestRules(this.#action.retryPolicy, head);
    this.#timeoutMs = requestTimeoutMs(this.#action, head, asks);
    this.#hedges = this.#action.hedgePolicy?.hedgeOnPerTryTimeout === true || (asks && asksForHedging(head.headers));
    if (asks) removeRouterHeaders(head.headers);
    this.#announceTimeout(head, 0);
    if (this.#action.hashPolicies.length > 0 && cluster.usesHash) {
      const { hash, setCookie } = requestHash(this.#action.hashPolicies, head, info, stream.random);
      this.#hash = hash;
      this.#setCookie = setCookie;
    }
    this.#route.finalizeRequest(head, choice, stream.formatContext);
    stream.trace?.inject();
    if (this.#route.virtualHost.includeRequestAttemptCount) setHeader(head.headers, 'x-envoy-attempt-count', '1');
    this.#head = head;
    this.#endStream = endStream;
    this.#headOnly = endStream;
    this.#keepBody = this.#rules.count > 0 && this.#rules.on.size > 0 && head.upgrade === undefined;
    if (this.#action.mirrors.length > 0 && head.upgrade === undefined) {
      this.#mirrors = mirrorRequest(this.#action.mirrors, head, endStream, stream);
    }
    // A request without a body has taken no time yet.
    this.#sentAt = endStream ? info.startMonotonicMs : stream.clock.monotonic();
    this.#startAttempt();
    if (endStream && !this.#done) this.#requestComplete(this.#sentAt);
  }
  onData(data: Buffer, endStream: boolean): void {
    if (this.#done) return;
    this.#endStream = endStream;
    if (this.#mirrors !== undefined) for (const mirror of this.#mirrors) mirror.data(data, endStream);
    const attempt = this.#attempt;
    const flowing = attempt?.connected === true;
    if (this.#keepBody || !flowing) {
      this.#body ??= [];
      this.#body.push(keptBytes(data));
      this.#bodyBytes += data.length;
      if (this.#keepBody && this.#bodyBytes > this.#bufferLimit && flowing) this.#stopKeeping();
      if (!flowing && this.#bodyBytes > this.#bufferLimit) this.#stream.pauseRequest();
    }
    if (flowing && !attempt.sendData(data, endStream)) this.#stream.pauseRequest();
    if (endStream) this.#requestComplete(this.#stream.clock.monotonic());
  }
  onTrailers(trailers: HeaderList): void {
    if (this.#done) return;
    this.#endStream = true;
    this.#trailers = trailers;
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
    span.setTag('http.status_code', String(this.#attempt?.status ?? 0));
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
    const head = this.#head;
    if (head === undefined || this.#done) return;
    const { info } = this.#stream;
    const connection = attempt.connection;
    this.#countInParts('upstream_rq_total');
    info.upstreamHost = attempt.host.text;
    info.upstreamLocalAddress = connection?.localAddress ?? '';
    info.upstreamTls = connection?.tls ?? false;
    if (connection !== undefined) info.upstreamProtocol = connection.protocol === 'http2' ? 'HTTP/2' : 'HTTP/1.1';
    info.upstreamHostMetadata = attempt.host.config.metadata;
    if (connection?.tls === true) info.upstreamPeer = connection.peer;
    if (this.#action.hostRewrite?.kind === 'auto' && attempt.host.config.hostname !== '') {
      if (this.#attempts === 1) rewriteHost(head, attempt.host.config.hostname, this.#action.appendXForwardedHost);
      else head.authority = attempt.host.config.hostname;
    }
    const body = this.#body ?? noBody;
    const complete = this.#endStream && body.length === 0 && this.#trailers === undefined;
    // The codec reads the head at once: retries may change it afterwards.
    attempt.sendHead(head, complete);
    let flowing = true;
    const last = body.length - 1;
    for (let i = 0; i <= last; i++) {
      flowing = attempt.sendData(body[i] as Buffer, i === last && this.#endStream && this.#trailers === undefined);
      if (this.#done || this.#attempt !== attempt) return;
    }
    if (this.#trailers !== undefined) attempt.sendTrailers(this.#trailers);
    if (!this.#keepBody || this.#bodyBytes > this.#bufferLimit) this.#stopKeeping();
    if (flowing) this.#stream.resumeRequest();
    else this.#stream.pauseRequest();
  }
  onInterim(attempt: UpstreamAttempt, head: ResponseHead): void {
    if (attempt !== this.#attempt || this.#done) return;
    // The client may have seen something of this try.
    this.#stopKeeping();
    if (!this.#interim && countedInterim.has(head.status)) this.#cluster?.stats.status(head.status, this.#internal);
    this.#interim = true;
    this.#stream.onUpstreamInterim(head);
  }
  onResponseHead(attempt: UpstreamAttempt, head: ResponseHead, endStream: boolean): void {
    if (this.#hedged !== undefined && !this.#done) this.#settleHedged(attempt, head);
    if (attempt !== this.#attempt || this.#done || this.#cluster === undefined || this.#rules === undefined) return;
    const { stats } = this.#cluster;
    const { info } = this.#stream;
    if (!attempt.upgraded && retriesResponse(this.#rules, head.status, head.headers) && this.#mayRetry()) {
      if (this.#takeRetry()) {
        stats.retriedStatus(head.status);
        if (!endStream) attempt.cancel();
        return;
      }
    }
    this.#canary = header(head.headers, 'x-envoy-upstream-canary') === 'true' || attempt.host.canary;
    this.#charge(head.status, this.#internal);
    if (this.#retried && head.status < 500) {
      stats.rqRetrySuccess.add(1);
      this.#countInParts('upstream_rq_retry_success');
    }
    this.#committed = true;
    this.#stream.response = head;
    info.responseCode = head.status;
    this.#stopKeeping();
    this.#tryTimeout?.cancel();
    if (attempt.upgraded) this.#timeout?.cancel();
    if (endStream) this.#tryIdle?.cancel();
    else this.#armTryIdle();
    const serviceMs = Math.max(0, Math.round(this.#stream.clock.monotonic() - this.#sentAt));
    info.upstreamServiceTimeMs = serviceMs;
    info.attemptCount = this.#attempts;
    if (!this.#stream.settings.suppressEnvoyHeaders && this.#stream.requestEnded)
      setHeader(head.headers, 'x-envoy-upstream-service-time', String(serviceMs));
    if (this.#route.virtualHost.includeAttemptCountInResponse) setHeader(head.headers, 'x-envoy-attempt-count', String(this.#attempts));
    if (this.#setCookie !== undefined) head.headers.push('set-cookie', this.#setCookie);
    if (info.responseCodeDetails === '') info.responseCodeDetails = 'via_upstream';
    this.#route.finalizeResponse(head, this.#stream.clusterChoice(this.#action), this.#stream.formatContext);
    if (endStream) this.#complete(serviceMs);
    this.#stream.onUpstreamHead(head, endStream);
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
    if (this.#hedged?.includes(attempt) === true) {
      this.#hedged = this.#hedged.filter((other) => other !== attempt);
      return;
    }
    if (attempt !== this.#attempt || this.#done) return;
    const { info } = this.#stream;
    if (detail !== '' && reason === 'connection-failure') info.upstreamTransportFailureReason = detail;
    if (reason !== 'overflow' || attempt.connection !== undefined) info.upstreamHost = attempt.host.text;
    if (this.#committed) {
      // An HTTP/1 message without its end is malformed.
      const cut = reason === 'connection-termination' && attempt.connection?.protocol === 'http1' ? 'protocol-error' : reason;
      info.responseFlags.add(cut === 'remote-reset' ? 'UR' : cut === 'protocol-error' ? 'UPE' : 'UC');
      info.responseCodeDetails = `upstream_reset_after_response_started{${failureDetails(cut)}}`;
      this.#finish();
      this.#stream.abortResponse();
      return;
    }
    if (this.#replayIdle(attempt, reason)) return;
    if (this.#rules !== undefined && retriesReset(this.#rules, reason, attempt.sent) && this.#mayRetry() && this.#takeRetry()) return;
    this.#fail(reason, detail);
  }
  // What follows is the router's own.
  #startAttempt(): void {
    const cluster = this.#cluster;
    const head = this.#head;
    const rules = this.#rules;
    if (cluster === undefined || head === undefined || rules === undefined || this.#done) return;
    const stream = this.#stream;
    const { connection } = stream.info;
    const host = cluster.choose({
      hash: this.#hash,
      avoid: undefined,
      retry: rules.hosts === undefined || this.#tried === undefined ? undefined : { rules: rules.hosts, tried: this.#tried },
      metadata:
        cluster.config.balancing.subsets === undefined ? undefined : routeCriteria(stream.clusterChoice(this.#action).metadataMatch),
      destination: stream.settings.forwardProxy ? proxiedDestination(head, connection) : originalDestination(connection),
      header: cluster.config.destinationHeader === undefined ? undefined : (name) => requestHeader(head, name),
      dynamicMetadata:
        cluster.config.destinationMetadata === undefined
          ? undefined
          : (namespace, path) => metadataAt(stream.info.dynamicMetadata.get(namespace), path),
    });
    if (host === undefined) {
      cluster.stats.noneHealthy.add(1);
      this.#charge(503, isInternal(head));
      this.#finish();
      stream.sendLocalReply({ status: 503, body: 'no healthy upstream', details: 'no_healthy_upstream', flag: 'UH' });
      return;
    }
    this.#attempts++;
    if (this.#attempts > 1) this.#announceTimeout(head, Math.round(stream.clock.monotonic() - this.#sentAt));
    if (rules.hosts !== undefined) {
      this.#tried ??= [];
      this.#tried.push(host);
    }
    if (this.#attempts > 1 && this.#route.virtualHost.includeRequestAttemptCount) {
      setHeader(head.headers, 'x-envoy-attempt-count', String(this.#attempts));
    }
    this.#attemptSpan = stream.trace?.startAttempt(cluster.config.name);
    const wanted = stream.version === 'HTTP/2' ? 'http2' : 'http1';
    const high = this.#action.priority === 'high';
    const pool = cluster.httpPool(host, wanted, this.#alpnFor(cluster, wanted), this.#sniFor(cluster, head), high);
    const attempt = new UpstreamAttempt(this, cluster, host, pool, high ? cluster.highLimits : cluster.limits);
    this.#attempt = attempt;
    stream.info.attemptCount = this.#attempts;
    attempt.start();
    if (this.#attempt !== attempt || this.#done) return;
    if (this.#endStream) this.#armTryTimeout();
    if (cluster.config.maxStreamMs > 0) {
      this.#streamLimit ??= new Deadline(this, durationKind);
      stream.deadlines.arm(this.#streamLimit, cluster.config.maxStreamMs, stream.clock.monotonic());
    }
  }
  /** Tells the upstream how long an answer is waited for; later tries have what is left. */
  #announceTimeout(head: RequestHead, spentMs: number): void {
    const perTryMs = this.#hedges ? 0 : (this.#rules?.perTryTimeoutMs ?? 0);
    const leftMs = this.#timeoutMs === 0 ? 0 : Math.max(1, Math.round(this.#timeoutMs - spentMs));
    const expected = perTryMs > 0 && (leftMs === 0 || perTryMs < leftMs) ? perTryMs : leftMs;
    if (expected === 0) return;
    if (!this.#stream.settings.suppressEnvoyHeaders) {
      // What was there of that name before the first try is gone with the others.
      if (spentMs === 0) head.headers.push('x-envoy-expected-rq-timeout-ms', String(expected));
      else setHeader(head.headers, 'x-envoy-expected-rq-timeout-ms', String(expected));
    }
    if (this.#action.grpcTimeout !== undefined && isGrpcRequest(head)) setHeader(head.headers, 'grpc-timeout', grpcTimeoutText(expected));
  }
  /** The ALPN list that a filter left, for the version that the upstream will speak. */
  #alpnFor(cluster: Cluster, wanted: HttpProtocol): readonly string[] | undefined {
    const { info } = this.#stream;
    if (info.hasFilterState === false) return undefined;
    const { filterState } = info;
    const byVersion = filterState.get(upstreamAlpnByVersionKey);
    const spoken = cluster.config.protocol === 'downstream' ? wanted : cluster.config.protocol;
    const list: unknown =
      byVersion instanceof Map ? byVersion.get(spoken === 'http2' ? 'HTTP/2' : 'HTTP/1.1') : filterState.get(upstreamAlpnKey);
    return Array.isArray(list) ? list.map(String) : undefined;
  }
  #sniFor(cluster: Cluster, head: RequestHead): string | undefined {
    if (!cluster.config.autoSni) return undefined;
    const port = head.authority.lastIndexOf(':');
    return port > head.authority.lastIndexOf(']') ? head.authority.slice(0, port) : head.authority;
  }
  #requestComplete(nowMs: number): void {
    this.#sentAt = nowMs;
    this.#stream.info.requestDurationMs = nowMs - this.#stream.info.startMonotonicMs;
    if (this.#timeoutMs > 0 && this.#timeout === undefined) {
      this.#timeout = new Deadline(this, wholeKind);
      this.#stream.deadlines.arm(this.#timeout, this.#timeoutMs, nowMs);
    }
    if (!this.#headOnly) this.#armTryTimeout();
  }
  #armTryTimeout(): void {
    const ms = this.#rules?.perTryTimeoutMs ?? 0;
    this.#armTryIdle();
    this.#tryTimeout?.cancel();
    if (ms === 0 || this.#committed) return;
    this.#tryTimeout ??= new Deadline(this, tryKind);
    this.#stream.deadlines.arm(this.#tryTimeout, ms, this.#stream.clock.monotonic());
  }
  /** A try's own idle time begins anew. */
  #armTryIdle(): void {
    const ms = this.#rules?.perTryIdleTimeoutMs ?? 0;
    if (ms === 0) return;
    this.#tryIdle ??= new Deadline(this, tryIdleKind);
    this.#stream.deadlines.arm(this.#tryIdle, ms, this.#stream.clock.monotonic());
  }
  onDeadline(kind: number): void {
    if (kind === wholeKind) this.#onTimeout();
    else if (kind === tryKind) this.#onTryTimeout();
    else if (kind === tryIdleKind) this.#onTryIdle();
    else this.#onStreamLimit();
  }
  #onTryIdle(): void {
    const attempt = this.#attempt;
    if (this.#done || attempt === undefined || this.#rules === undefined) return;
    this.#cluster?.stats.rqPerTryIdleTimeout.add(1);
    attempt.cancel();
    if (!this.#committed && retriesReset(this.#rules, 'per-try-timeout', true) && this.#mayRetry() && this.#takeRetry()) return;
    this.#timedOut('upstream_per_try_idle_timeout');
  }
  #onStreamLimit(): void {
    if (this.#done) return;
    const { info } = this.#stream;
    this.#cluster?.stats.rqMaxDuration.add(1);
    info.responseFlags.add('UMSDR');
    this.#attempt?.cancel();
    this.#finish();
    const details = 'upstream_max_stream_duration_reached';
    if (this.#committed) {
      info.responseCodeDetails = details;
      this.#stream.abortResponse();
      return;
    }
    this.#stream.sendLocalReply({ status: 504, body: 'upstream max stream duration reached', details });
  }
  /** A try that is over its time goes on beside the next one, and its answer is taken if it is the first good one. */
  #hedge(attempt: UpstreamAttempt): boolean {
    if (!this.#hedges || !this.#endStream || !this.#mayRetry() || !this.#takeRetry(0)) return false;
    this.#hedged ??= [];
    this.#hedged.push(attempt);
    this.#attempt = undefined;
    return true;
  }
  #settleHedged(attempt: UpstreamAttempt, head: ResponseHead): void {
    const hedged = this.#hedged;
    if (hedged === undefined || this.#rules === undefined) return;
    const late = hedged.includes(attempt);
    const rest = hedged.filter((other) => other !== attempt);
    if (late && retriesResponse(this.#rules, head.status, head.headers)) {
      // A bad answer of an old try: the others go on.
      this.#hedged = rest;
      attempt.cancel();
      return;
    }
    if (!late && retriesResponse(this.#rules, head.status, head.headers) && this.#attempts <= this.#rules.count) return;
    this.#hedged = undefined;
    for (const other of rest) other.cancel();
    if (!late) return;
    if (this.#cancelBackoff !== undefined) this.#dropBackoff();
    this.#attempt?.cancel();
    this.#attempt = attempt;
  }
  #onTimeout(): void {
    if (this.#done) return;
    this.#cluster?.stats.rqTimeout.add(1);
    this.#countInParts('upstream_rq_timeout');
    if (this.#attempt !== undefined) {
      this.#attempt.host.timeouts++;
      if (!this.#committed) this.#attempt.host.errors++;
    }
    this.#timedOut('response_timeout');
  }
  #onTryTimeout(): void {
    const attempt = this.#attempt;
    if (this.#done || this.#committed || attempt === undefined || this.#rules === undefined) return;
    this.#cluster?.stats.rqPerTryTimeout.add(1);
    attempt.host.timeouts++;
    attempt.host.errors++;
    if (this.#hedge(attempt)) return;
    attempt.cancel();
    this.#cluster?.outliers?.onStatus(attempt.host, 504);
    if (retriesReset(this.#rules, 'per-try-timeout', true) && this.#mayRetry() && this.#takeRetry()) return;
    this.#timedOut('upstream_per_try_timeout');
  }
  #timedOut(details: string): void {
    const { info } = this.#stream;
    const attempt = this.#attempt;
    if (attempt !== undefined && info.upstreamHost === '') info.upstreamHost = attempt.host.text;
    info.responseFlags.add('UT');
    this.#finish();
    attempt?.cancel();
    if (this.#committed) {
      info.responseCodeDetails = details;
      this.#stream.abortResponse();
      return;
    }
    this.#charge(504, this.#internal);
    this.#stream.sendLocalReply({ status: 504, body: 'upstream request timeout', details, flag: 'UT' });
  }
  /** Whether the policy has a retry left and the whole request so far can be sent again. */
  #mayRetry(): boolean {
    const rules = this.#rules;
    if (rules === undefined || this.#attempts > rules.count) {
      if (rules !== undefined && rules.on.size > 0) {
        this.#cluster?.stats.rqRetryLimitExceeded.add(1);
        this.#countInParts('upstream_rq_retry_limit_exceeded');
        this.#stream.info.responseFlags.add('URX');
      }
      return false;
    }
    return this.#keepBody;
  }
  /** Schedules the next attempt; false when the cluster allows no more retries at once. */
  #takeRetry(delayMs?: number): boolean {
    const cluster = this.#cluster;
    const rules = this.#rules;
    if (cluster === undefined || rules === undefined) return false;
    const limits = this.#action.priority === 'high' ? cluster.highLimits : cluster.limits;
    if (!canRetry(limits)) {
      cluster.stats.rqRetryOverflow.add(1);
      this.#countInParts('upstream_rq_retry_overflow');
      this.#stream.info.responseFlags.add('UO');
      return false;
    }
    this.#tryTimeout?.cancel();
    this.endAttemptSpan();
    this.#retried = true;
    cluster.stats.rqRetry.add(1);
    this.#countInParts('upstream_rq_retry');
    cluster.stats.rqRetryBackoffExponential.add(1);
    limits.retries.acquire();
    this.#cancelBackoff = this.#stream.clock.setTimeout(
      () => {
        this.#cancelBackoff = undefined;
        limits.retries.release();
        this.#startAttempt();
      },
      delayMs ?? retryDelayMs(rules, this.#attempts, this.#stream.random),
    );
    return true;
  }
  /**
   * A reused connection that its peer closed before a byte of the response: the peer was closing it while idle. A request that may
   * be repeated is sent once more whatever the retry policy (RFC 9112 section 9.3.1).
   */
  #replayIdle(attempt: UpstreamAttempt, reason: AttemptFailure): boolean {
    if (this.#replayed || !attempt.reused || reason !== 'connection-termination' || !this.#headOnly) return false;
    if (this.#head === undefined || !idempotent.has(this.#head.method)) return false;
    this.#replayed = true;
    this.#attempts--;
    this.#startAttempt();
    return true;
  }
  #fail(reason: AttemptFailure, detail: string): void {
    this.#finish();
    const reply = failureReply(reason, detail, this.#retried, this.#stream.settings.suppressEnvoyHeaders);
    if (!this.#interim) this.#charge(reply.status, this.#internal);
    // What the client has seen of it was the beginning of an answer.
    const details = this.#interim ? reply.details.replace('before_response', 'after_response') : reply.details;
    this.#stream.sendLocalReply({ ...reply, details });
  }
  get #internal(): boolean {
    return this.#head !== undefined && isInternal(this.#head);
  }
  #stopKeeping(): void {
    this.#keepBody = false;
    this.#body = undefined;
  }
  get #bufferLimit(): number {
    return this.#route.bufferLimitBytes ?? this.#stream.settings.bufferLimitBytes;
  }
  /** Counts the answer that the client gets, in all parts of the tree that tell of it. */
  #charge(code: number, internal: boolean): void {
    const stats = this.#cluster?.stats;
    if (stats === undefined) return;
    stats.status(code, internal);
    if (this.#canary) stats.part('canary').charge(code);
    const zones = this.#zones;
    if (zones !== undefined) stats.part(zones).charge(code);
    for (const part of this.#parts) part.charge(code);
  }
  #countInParts(name: string): void {
    for (const part of this.#parts) part.count(name);
  }
  /** `zone.<own>.<host's>` where both are known. */
  get #zones(): string | undefined {
    const zone = this.#attempt?.host.config.locality?.zone;
    return zone === undefined || zone === '' ? undefined : this.#stream.settings.zonePart(zone);
  }
  /** The whole response has come from upstream. */
  #complete(ms: number): void {
    this.#finish();
    const stats = this.#cluster?.stats;
    if (stats === undefined) return;
    const tookMs = Math.max(0, Math.round(ms));
    stats.rqTime.record(tookMs);
    stats.part(this.#internal ? 'internal' : 'external').time(tookMs);
    if (this.#canary) stats.part('canary').time(tookMs);
    const zones = this.#zones;
    if (zones !== undefined) stats.part(zones).time(tookMs);
    for (const part of this.#parts) part.time(tookMs);
  }
  #finish(): void {
    this.#done = true;
    this.#timeout?.cancel();
    this.#tryTimeout?.cancel();
    this.#tryIdle?.cancel();
    this.#streamLimit?.cancel();
    if (this.#hedged !== undefined) {
      for (const attempt of this.#hedged) attempt.cancel();
      this.#hedged = undefined;
    }
    if (this.#cancelBackoff !== undefined) this.#dropBackoff();
  }
  #dropBackoff(): void {
    this.#cancelBackoff?.();
    this.#cancelBackoff = undefined;
    const limits = this.#action.priority === 'high' ? this.#cluster?.highLimits : this.#cluster?.limits;
    limits?.retries.release();
  }
}
