import type { Clock, Deadlines, Random } from '@xebec/core';
import type { LocalReply } from '@xebec/filters';
import { type ClusterChoice, type CompiledRoute, type CompiledRouteTable, type ForwardAction, isGrpcRequest } from '@xebec/matching';
import { type ConnectionInfo, createStreamInfo, type FormatContext, type StreamInfo } from '@xebec/telemetry';
import {
  type Flushable,
  fieldBytesOf,
  flushLater,
  type HeaderList,
  type HttpVersion,
  header,
  type RequestHead,
  type RequestReceiver,
  type ResetReason,
  type ResponseHead,
  removeHeader,
  type ServerStream,
} from '@xebec/wire';
import type { ClusterManager } from '../clusters/cluster-manager.ts';
import { StreamTrace } from '../tracing/stream-trace.ts';
import { FilterChain, type FilteredStream } from './filter-chain.ts';
import type { EarlyLogs, HttpSettings } from './http-settings.ts';
import { followRedirect, type RedirectHistory, type RedirectRules } from './internal-redirect.ts';
import { type ReplyMessage, replyMessage } from './local-reply.ts';
import { http2FaultDetails } from './refused-request.ts';
import { prepareRequest, type RequestRefusal } from './request-headers.ts';
import { streamDurationMs } from './request-timeout.ts';
import { finishResponseHead } from './response-headers.ts';
import { Router } from './router.ts';
import type { SentBody } from './sent-body.ts';
import { type FormattedStream, StreamFormat } from './stream-format.ts';
import { type StreamTimeoutOwner, StreamTimeouts } from './stream-timeouts.ts';

/** What a stream asks of the connection it came on. */
export interface HttpStreamOwner {
  readonly settings: HttpSettings;
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly random: Random;
  readonly connectionInfo: ConnectionInfo;
  /** Tells the client to come on another connection: drains. */
  readonly draining: boolean;
  /** The connection is announced to end. */
  endSoon(): void;
  onStreamDone(stream: HttpStream): void;
  /** The request goes on as another, with a stream of its own. */
  onRedirect(server: ServerStream, head: RequestHead, earlier: HttpStream): HttpStream;
}

const emptyBody = Buffer.alloc(0);
/** Interim answers that a client may get. */
const passedInterim = new Set([100, 102, 103, 104]);

/** One request: headers prepared, through the filters to the router, and its response back through them in reverse. */
export class HttpStream implements RequestReceiver, FilteredStream, FormattedStream, StreamTimeoutOwner, Flushable {
  readonly #owner: HttpStreamOwner;
  readonly #server: ServerStream;
  readonly #table: CompiledRouteTable | undefined;
  readonly settings: HttpSettings;
  readonly request: RequestHead;
  readonly info: StreamInfo;
  /** What is drawn once for every decision of this stream. */
  readonly #draw: number;
  readonly #refusal: RequestRefusal | undefined;
  readonly #timeouts: StreamTimeouts;
  /** Undefined without filters, as between a mesh's plainest listeners: nothing stands between codec and router then. */
  #chain: FilterChain | undefined = undefined;
  #router: Router | undefined = undefined;
  trace: StreamTrace | undefined = undefined;
  #route: CompiledRoute | undefined = undefined;
  #routeKnown = false;
  #choice: ClusterChoice | undefined = undefined;
  response: ResponseHead | undefined = undefined;
  responseTrailers: HeaderList | undefined = undefined;
  accessLogType: string | undefined = undefined;
  #requestEnded = false;
  #headSent = false;
  #interimSent = false;
  #flushing = false;
  #responseEnded = false;
  #replied = false;
  /** As it came, whatever filters and routes make of its type. */
  #isGrpc = false;
  /** Answered 400, whatever the status has been mapped to. */
  #refused = false;
  done = false;
  #timers: Set<() => void> | undefined = undefined;
  #format: FormatContext | undefined = undefined;

  /** Set where redirects are followed. */
  #redirects: RedirectHistory | undefined = undefined;
  /** The stream that a followed redirect goes on as. */
  #successor: HttpStream | undefined = undefined;

  constructor(owner: HttpStreamOwner, server: ServerStream, head: RequestHead, earlier?: HttpStream) {
    this.#owner = owner;
    this.settings = owner.settings;
    this.#server = server;
    this.#table = owner.settings.routes.current;
    this.request = head;
    this.#draw = owner.random.next();
    const connection = owner.connectionInfo;
    if (earlier === undefined)
      this.settings.earlyMutation?.(head, { info: { ...createStreamInfo(connection, 0, 0), protocol: head.version }, request: head });
    // What a redirect leads to has been prepared.
    const client = earlier === undefined ? prepareRequest(head, connection, this.settings) : earlier.info.connection.remoteAddress;
    if (earlier !== undefined) this.#redirects = earlier.#redirects;
    const named = typeof client !== 'string' || client === connection.remoteAddress ? connection : withClient(connection, client);
    this.info = createStreamInfo(named, owner.clock.now(), owner.clock.monotonic());
    this.info.protocol = head.version;
    this.info.downstreamBytes = server;
    if (earlier !== undefined) this.info.bytesReceived = earlier.info.bytesReceived;
    this.#refusal = typeof client === 'string' ? undefined : client;
    this.#timeouts = new StreamTimeouts(this, owner.deadlines, owner.clock);
  }
  get clusters(): ClusterManager {
    return this.#owner.clusters;
  }
  get clock(): Clock {
    return this.#owner.clock;
  }
  get deadlines(): Deadlines {
    return this.#owner.deadlines;
  }
  get random(): Random {
    return this.#owner.random;
  }
  /** The client has sent its whole request. */
  get requestEnded(): boolean {
    return this.#requestEnded;
  }
  get version(): HttpVersion {
    return this.#server.version;
  }
  get answered(): boolean {
    return this.done || this.#replied;
  }
  get formatContext(): FormatContext {
    this.#format ??= new StreamFormat(this);
    return this.#format;
  }
  start(endStream: boolean): void {
    const { settings, request } = this;
    this.#requestEnded = endStream;
    this.#isGrpc = isGrpcRequest(request);
    this.#timeouts.start(settings, !endStream, this.info.startMonotonicMs);
    if (!settings.proxy100Continue && header(request.headers, 'expect')?.toLowerCase() === '100-continue') {
      removeHeader(request.headers, 'expect');
      settings.stats.answered(100);
      this.#server.sendHead({ status: 100, headers: [] }, false);
    }
    if (this.#refusal !== undefined) {
      const { status, details, location, flag } = this.#refusal;
      const flagged = flag === undefined ? {} : { flag };
      const body = flag === undefined ? '' : 'Bad Request';
      if (details === 'path_normalization_failed')
        settings.stats.count(`downstream_rq_${location === undefined ? 'failed_path_normalization' : 'redirected_with_normalized_path'}`);
      else if (details === 'rejecting_because_detection_failed') settings.stats.count('downstream_rq_rejected_via_ip_detection');
      else if (details === 'absolute_path_rejected') settings.stats.count('downstream_rq_non_relative_path');
      // Filters see the answer of a request that they have not seen, and that has no route.
      this.#routeKnown = true;
      if (settings.filters.length > 0) this.#chain = new FilterChain(this);
      this.sendLocalReply({ status, body, details, ...flagged, ...(location === undefined ? {} : { headers: ['location', location] }) });
      return;
    }
    // The codec of HTTP/1.1 tells a host that is missing from an empty one.
    if (request.authority === '' && request.version !== 'HTTP/1.1') {
      this.sendLocalReply({ status: 400, body: '', details: 'missing_host_header' });
      return;
    }
    if (settings.tracing !== undefined) this.trace = new StreamTrace(settings.tracing, request, this.findRoute(), this.random);
    if (settings.earlyLogs !== undefined) this.#logEarly(settings.earlyLogs);
    if (settings.filters.length === 0 && settings.upgradeFilters.size === 0) this.routeHead(endStream);
    else {
      this.#chain = new FilterChain(this);
      this.#chain.onRequestHead(endStream);
    }
  }
  // RequestReceiver: what the client sends.
  onData(data: Buffer, endStream: boolean): void {
    this.info.bytesReceived += data.length;
    this.#timeouts.touch();
    // An HTTP/1 body ends after its last bytes, and not with them: filters that refuse those bytes answer before the end.
    if (endStream && data.length > 0 && this.version !== 'HTTP/2' && this.#chain?.seesBodies === true && !this.answered) {
      this.#chain.onRequestData(data, false);
      this.#onRequestEnd();
      if (!this.answered) this.#chain.onRequestData(emptyBody, true);
      return;
    }
    if (endStream) this.#onRequestEnd();
    if (this.answered) return;
    if (this.#chain === undefined) this.routeData(data, endStream);
    else this.#chain.onRequestData(data, endStream);
  }
  onTrailers(trailers: HeaderList): void {
    if (this.version === 'HTTP/2') this.settings.stats.root.counter('http2.trailers').add(1);
    if (!this.settings.enableTrailers && this.version !== 'HTTP/2') {
      this.onData(emptyBody, true);
      return;
    }
    if (this.version !== 'HTTP/2') this.#server.headerBytesReceived += fieldBytesOf(trailers);
    this.#onRequestEnd();
    if (this.answered) return;
    if (this.#chain === undefined) this.routeTrailers(trailers);
    else this.#chain.onRequestTrailers(trailers);
  }
  onReset(reason: ResetReason, detail: string): void {
    if (this.done) {
      this.#successor?.onReset(reason, detail);
      return;
    }
    const { info } = this;
    this.settings.stats.rqRxReset.add(1);
    if (reason === 'remote-reset') this.settings.stats.root.counter('http2.rx_reset').add(1);
    if (reason === 'protocol-error') {
      if (this.version === 'HTTP/2') this.settings.stats.root.counter('http2.rx_messaging_error').add(1);
      info.responseFlags.add('DPE');
      info.responseCodeDetails = this.version === 'HTTP/2' ? http2FaultDetails(detail) : 'http1.codec_error';
      // HTTP/1's codec has answered.
      if (this.version !== 'HTTP/2' && !this.#headSent) {
        info.responseCode = 400;
        info.bytesSent = 'Bad Request'.length;
        this.settings.stats.answered(400);
      }
    } else if (info.responseFlags.size === 0) {
      info.responseFlags.add(reason === 'remote-reset' ? 'DR' : 'DC');
      info.responseCodeDetails = reason === 'remote-reset' ? 'http2.remote_reset' : 'downstream_remote_disconnect';
    }
    info.connectionTerminationDetails = reason === 'overflow' ? detail : '';
    this.#complete();
  }
  onDrain(): void {
    if (this.#flushing) {
      this.#flushing = false;
      this.#endResponse();
    } else if (this.#successor !== undefined) this.#successor.onDrain();
    else this.#router?.resumeResponse();
  }
  // For filters and router.
  findRoute(): CompiledRoute | undefined {
    if (this.#routeKnown) return this.#route;
    this.#routeKnown = true;
    const { info } = this;
    const { choose } = this.settings.routes;
    const table = choose === undefined ? this.#table : choose(this.request);
    const route = table?.route(this.request, { info, random: this.#draw });
    this.#route = route;
    if (route === undefined) {
      info.virtualHostMetadata = table?.findVirtualHost(this.request.authority)?.metadata;
      return undefined;
    }
    info.routeName = route.name;
    info.virtualHostName = route.virtualHost.name;
    info.routeMetadata = route.metadata;
    info.virtualHostMetadata = route.virtualHost.metadata;
    const { action } = route;
    if (action.kind !== 'forward') return route;
    const { name } = this.clusterChoice(action);
    const cluster = name === '' ? undefined : this.clusters.get(name);
    if (cluster !== undefined) {
      info.upstreamCluster = name;
      info.clusterMetadata = cluster.config.metadata;
    } else if (info.upstreamCluster !== '') info.upstreamCluster = '';
    if (action.idleTimeoutMs !== undefined) this.#timeouts.setIdle(action.idleTimeoutMs, info.startMonotonicMs);
    const durationMs = streamDurationMs(action, this.request, this.settings.maxStreamMs);
    if (durationMs !== undefined) this.#timeouts.setMaxDuration(durationMs, info.startMonotonicMs);
    return route;
  }
  forgetRoute(): void {
    this.#routeKnown = false;
    this.#route = undefined;
    this.#choice = undefined;
  }
  clusterChoice(action: ForwardAction): ClusterChoice {
    this.#choice ??= action.chooseCluster(this.request, this.#draw);
    return this.#choice;
  }
  pauseRequest(): void {
    if (!this.#requestEnded) this.#server.pause();
  }
  resumeRequest(): void {
    if (!this.#requestEnded) this.#server.resume();
  }
  pauseResponse(): void {
    this.#router?.pauseResponse();
  }
  resumeResponse(): void {
    this.#router?.resumeResponse();
  }
  /** Runs `fn` later unless the stream has ended. */
  after(fn: () => void, delayMs: number): () => void {
    this.#timers ??= new Set();
    const timers = this.#timers;
    const cancel = this.clock.setTimeout(() => {
      timers.delete(cancel);
      if (!this.done) fn();
    }, delayMs);
    timers.add(cancel);
    return () => {
      timers.delete(cancel);
      cancel();
    };
  }
  /** Answers from here; what has begun is cut off. */
  sendLocalReply(reply: LocalReply): void {
    if (this.done) return;
    const { info } = this;
    if (reply.flag !== undefined) info.responseFlags.add(reply.flag);
    info.responseCodeDetails = reply.details;
    if (reply.details === 'request_payload_too_large') this.settings.stats.count('downstream_rq_too_large');
    if (info.responseFlags.has('UF') || info.responseFlags.has('UC')) this.#tellTunnel();
    this.#router?.cancel();
    if (this.#headSent) {
      this.abortResponse();
      return;
    }
    this.#replied = true;
    this.#refused = reply.status === 400;
    this.#chain?.drop();
    this.#server.resume();
    const headers = this.#routeHeaders(reply.headers);
    const { head, body } = this.#message(reply.status, reply.body, headers, reply.grpcStatus);
    this.#deliver(head, body);
  }
  // The request goes on behind the filters.
  routeHead(endStream: boolean): void {
    const route = this.findRoute();
    const { settings } = this;
    settings.stats.rqRouted.add(1);
    if (route === undefined) {
      settings.stats.noRoute.add(1);
      this.sendLocalReply({ status: 404, body: '', details: 'route_not_found', flag: 'NR' });
      return;
    }
    const { action } = route;
    switch (action.kind) {
      case 'forward': {
        const { upgrade } = this.request;
        if ((upgrade !== undefined || this.request.method === 'CONNECT') && !this.#allowsUpgrade(action, upgrade ?? 'connect')) {
          settings.stats.count('downstream_rq_ws_on_non_ws_route');
          // Envoy refuses it before its router.
          settings.stats.rqRouted.add(-1);
          if (this.version === 'HTTP/2') this.#owner.endSoon();
          this.sendLocalReply({ status: 403, body: '', details: 'upgrade_failed' });
          return;
        }
        this.#router = new Router(this, route, action);
        this.#router.start(this.request, endStream);
        return;
      }
      case 'redirect':
        settings.stats.rqDirectResponse.add(1);
        this.#answer(route, action.status, emptyBody, action.location(this.request));
        return;
      case 'direct-response':
        settings.stats.rqDirectResponse.add(1);
        this.#answer(route, action.status, action.body, action.location?.(this.request));
        return;
      default:
        // Such a route is for servers that end requests themselves; a proxy finds no cluster in it.
        settings.stats.noCluster.add(1);
        this.sendLocalReply({ status: 503, body: '', details: 'cluster_not_found', flag: 'NC' });
    }
  }
  routeData(data: Buffer, endStream: boolean): void {
    this.#router?.onData(data, endStream);
  }
  routeTrailers(trailers: HeaderList): void {
    this.#router?.onTrailers(trailers);
  }
  /** Ends here and begins anew with the request that a redirect asks for; false when the redirect goes to the client. */
  followRedirect(rules: RedirectRules, answer: ResponseHead, body: SentBody): boolean {
    this.#redirects ??= { count: 0, led: new Map() };
    const { info, request, settings } = this;
    const refusal = followRedirect(rules, request, answer, this.#redirects, () => this.#routeAnew()?.name, info.routeName);
    if (refusal !== undefined) {
      settings.stats.count(`passthrough_internal_redirect_${refusal}`);
      return false;
    }
    info.responseCode = answer.status;
    info.responseCodeDetails = 'internal_redirect';
    this.#complete();
    const next = this.#owner.onRedirect(this.#server, request, this);
    this.#successor = next;
    const bare = body.empty || (answer.status === 303 && request.method === 'GET');
    next.start(bare);
    if (!bare) body.resend(next);
    return true;
  }
  #routeAnew(): CompiledRoute | undefined {
    this.forgetRoute();
    this.info.routeName = '';
    this.info.upstreamCluster = '';
    return this.findRoute();
  }
  // The router's events.
  onUpstreamInterim(head: ResponseHead): void {
    // The first alone, as Envoy has it.
    if (!this.settings.proxy100Continue || this.#interimSent || !passedInterim.has(head.status)) return;
    this.#interimSent = true;
    this.settings.stats.answered(head.status);
    this.#server.sendHead(head, false);
  }
  onUpstreamHead(head: ResponseHead, endStream: boolean): void {
    if (this.answered) return;
    this.response = head;
    this.info.responseDurationMs = this.clock.monotonic() - this.info.startMonotonicMs;
    if (this.#chain === undefined) this.sendHead(head, endStream);
    else this.#chain.onResponseHead(head, endStream);
  }
  onUpstreamData(data: Buffer, endStream: boolean): void {
    if (this.answered) return;
    if (!endStream) this.#timeouts.touch();
    if (this.#chain === undefined) this.sendData(data, endStream);
    else this.#chain.onResponseData(data, endStream);
  }
  onUpstreamTrailers(trailers: HeaderList): void {
    if (this.answered) return;
    if (this.#chain === undefined) this.sendTrailers(trailers);
    else this.#chain.onResponseTrailers(trailers);
  }
  /** A response that has begun cannot be completed. */
  abortResponse(): void {
    if (this.done) return;
    this.settings.stats.rqTxReset.add(1);
    if (this.version === 'HTTP/2') this.settings.stats.root.counter('http2.tx_reset').add(1);
    if (this.info.responseFlags.has('UC')) this.#tellTunnel();
    this.#server.reset('local-reset');
    this.#complete();
  }
  // The response goes on to the client.
  sendHead(head: ResponseHead, endStream: boolean): void {
    this.#headSent = true;
    const { info, settings } = this;
    finishResponseHead(head, this.request, settings, info, !this.#replied);
    info.responseCode = head.status;
    this.trace?.onResponse(head);
    if (this.#closes(head)) head.headers.push('connection', 'close');
    settings.stats.answered(head.status);
    this.#timeouts.onRequestEnd();
    this.#server.sendHead(head, endStream);
    if (settings.earlyLogs?.onTunnel === true && (head.status === 101 || (this.request.method === 'CONNECT' && head.status === 200)))
      this.#writeLog('DownstreamTunnelSuccessfullyEstablished');
    if (endStream) this.#endResponse();
  }
  sendData(data: Buffer, endStream: boolean): void {
    this.info.bytesSent += data.length;
    const flowing = this.#server.sendData(data, endStream);
    if (endStream) this.#flush();
    else if (!flowing) this.#router?.pauseResponse();
  }
  sendTrailers(trailers: HeaderList): void {
    this.responseTrailers = trailers;
    if (this.settings.enableTrailers || this.version === 'HTTP/2') this.#server.sendTrailers(trailers);
    else this.#server.sendData(emptyBody, true);
    this.#flush();
  }
  // Time.
  onIdle(): void {
    if (this.done) return;
    this.settings.stats.rqIdleTimeout.add(1);
    this.info.responseFlags.add('SI');
    if (this.#headSent) {
      this.info.responseCodeDetails = 'stream_idle_timeout';
      this.#router?.cancel();
      this.abortResponse();
    } else this.sendLocalReply({ status: this.#requestEnded ? 504 : 408, body: 'stream timeout', details: 'stream_idle_timeout' });
  }
  onRequestTimeout(): void {
    if (this.done) return;
    this.settings.stats.rqTimeout.add(1);
    this.sendLocalReply({ status: 408, body: 'request timeout', details: 'request_overall_timeout' });
  }
  onMaxDuration(): void {
    if (this.done) return;
    this.settings.stats.rqMaxDuration.add(1);
    const status = this.#requestEnded ? 504 : 408;
    this.sendLocalReply({ status, body: 'downstream duration timeout', details: 'max_duration_timeout', grpcStatus: 4 });
  }
  /** Redirects and direct responses: the route's response headers apply. */
  #answer(route: CompiledRoute, status: number, body: Buffer, location: string | undefined): void {
    this.info.responseCodeDetails = 'direct_response';
    const named: ResponseHead = { status, headers: location === undefined ? [] : ['location', location] };
    route.finalizeResponse(named, undefined, this.formatContext);
    const message = this.#message(status, body, named.headers, undefined);
    route.finalizeRequest(this.request, undefined, this.formatContext);
    this.#replied = true;
    this.#deliver(message.head, message.body);
  }
  #message(status: number, body: string | Buffer, headers: HeaderList | undefined, grpcStatus: number | undefined): ReplyMessage {
    const { request, settings } = this;
    const rewritten = settings.rewriteLocalReply?.(status, headers ?? [], body, this.formatContext);
    return rewritten === undefined
      ? replyMessage(request, status, body, headers, grpcStatus, undefined, this.#isGrpc)
      : replyMessage(request, rewritten.status, rewritten.body, rewritten.headers, grpcStatus, rewritten.contentType, this.#isGrpc);
  }
  /** A response from here passes the response filters like any other. */
  #deliver(head: ResponseHead, body: Buffer): void {
    this.response = head;
    this.info.responseCode = head.status;
    const chain = this.#chain;
    if (chain === undefined) this.sendHead(head, body.length === 0);
    else chain.onResponseHead(head, body.length === 0);
    if (body.length === 0 || this.done) return;
    if (chain === undefined) this.sendData(body, true);
    else chain.onResponseData(body, true);
  }
  /** What the route adds to any response, on an answer that comes from here. Type and length of the body are set after it. */
  #routeHeaders(own: HeaderList | undefined): HeaderList | undefined {
    const route = this.#route;
    if (route === undefined || route.action.kind !== 'forward') return own;
    const head: ResponseHead = { status: 0, headers: [] };
    route.finalizeResponse(head, this.clusterChoice(route.action), this.formatContext);
    return head.headers.length === 0 ? own : own === undefined ? head.headers : [...head.headers, ...own];
  }
  /** Whether the connection ends with this response, and says so. */
  #closes(head: ResponseHead): boolean {
    if (head.status === 101) return false;
    if (this.#owner.draining) return true;
    if (this.version === 'HTTP/2') return false;
    if (this.version === 'HTTP/1.0' && header(head.headers, 'content-length') === undefined) return true;
    if ((this.#refused || (this.#replied && head.status === 400)) && !this.settings.keepsAfterInvalid) return true;
    const { request } = this;
    // An upgrade that was not taken leaves a connection whose request has no end.
    return !this.#requestEnded && (this.#replied || request.method !== 'CONNECT' || head.status >= 300);
  }
  #tellTunnel(): void {
    if (this.request.upgrade !== undefined || this.request.method === 'CONNECT') this.#server.connectFailed = true;
  }
  #allowsUpgrade(action: ForwardAction, upgrade: string): boolean {
    const type = upgrade.toLowerCase();
    return action.upgrades.get(type) ?? this.settings.upgrades.get(type) ?? false;
  }
  #onRequestEnd(): void {
    this.#requestEnded = true;
    this.#timeouts.onRequestEnd();
    this.info.requestDurationMs = this.clock.monotonic() - this.info.startMonotonicMs;
  }
  /** The response is whole; it is over once the client has taken it. */
  #flush(): void {
    this.#flushing = this.#server.unsent === true;
    if (!this.#flushing) this.#endResponse();
  }
  #endResponse(): void {
    this.#responseEnded = true;
    this.#complete();
  }
  #complete(): void {
    if (this.done) return;
    this.done = true;
    const { info, settings } = this;
    // The rest of the request is not read: for Envoy that is a reset.
    if (this.#responseEnded && !this.#requestEnded) {
      settings.stats.count('downstream_rq_response_before_rq_complete');
      settings.stats.rqRxReset.add(1);
    }
    this.#router?.cancel();
    this.#timeouts.close();
    if (this.#timers !== undefined) for (const cancel of this.#timers) cancel();
    info.durationMs = this.clock.monotonic() - info.startMonotonicMs;
    settings.stats.rqTime.record(info.durationMs);
    this.accessLogType = 'DownstreamEnd';
    this.#owner.onStreamDone(this);
    flushLater(this);
  }
  /** Tells those who count, log and report of the end: after what was written has left, so that no client waits for them. */
  flush(): void {
    const { settings } = this;
    this.#chain?.onComplete();
    if (this.trace !== undefined) {
      this.#router?.endAttemptSpan();
      this.trace.finish(this.formatContext);
    }
    if (settings.accessLogs.length > 0) {
      const context = this.formatContext;
      for (const log of settings.accessLogs) log.log(context);
    }
    if (settings.tap.watched) settings.tap.see(this.formatContext);
  }
  #logEarly({ onStart, intervalMs }: EarlyLogs): void {
    if (onStart) {
      this.findRoute();
      this.#writeLog('DownstreamStart');
    }
    if (intervalMs === undefined) return;
    const again = (): void => {
      this.#writeLog('DownstreamPeriodic');
      this.after(again, intervalMs);
    };
    this.after(again, intervalMs);
  }
  /** A line before the end. */
  #writeLog(type: string): void {
    this.accessLogType = type;
    for (const log of this.settings.accessLogs) log.log(this.formatContext);
  }
}

function withClient(connection: ConnectionInfo, client: string): ConnectionInfo {
  return {
    ...connection,
    remoteAddress: client,
    remotePort: 0,
    directRemoteAddress: connection.remoteAddress,
    directRemotePort: connection.remotePort,
  };
}
