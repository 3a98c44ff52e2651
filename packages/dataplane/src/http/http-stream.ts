import type { Clock, Random } from '@xebec/core';
import type { HttpFilter, HttpFilterCallbacks, LocalReply, RouteView } from '@xebec/filters';
import type { ClusterChoice, CompiledRoute, CompiledRouteTable, ForwardAction } from '@xebec/matching';
import { type ConnectionInfo, createStreamInfo, type FormatContext, type StreamInfo } from '@xebec/telemetry';
import {
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
import { type Held, heldAt, holdAt, takeHeld } from './held-stream.ts';
import type { HttpSettings } from './http-settings.ts';
import { replyMessage } from './local-reply.ts';
import { prepareRequest } from './request-headers.ts';
import { finishResponseHead } from './response-headers.ts';
import { Router } from './router.ts';

/** What a stream asks of the connection it came on. */
export interface HttpStreamOwner {
  readonly settings: HttpSettings;
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly connectionInfo: ConnectionInfo;
  /** Tells the client to come on another connection: drains. */
  readonly draining: boolean;
  onStreamDone(stream: HttpStream): void;
}

const emptyBody = Buffer.alloc(0);
/** How much of a response waits at a filter that said stop before the upstream is slowed. */
const responseHoldBytes = 65_536;

/** One request: headers prepared, through the filters to the router, and its response back through them in reverse. */
export class HttpStream implements RequestReceiver, HttpFilterCallbacks, RouteView {
  readonly #owner: HttpStreamOwner;
  readonly settings: HttpSettings;
  readonly #server: ServerStream;
  readonly #table: CompiledRouteTable | undefined;
  readonly request: RequestHead;
  readonly info: StreamInfo;
  readonly #filters: HttpFilter[] = [];
  #router: Router | undefined;
  #trace: StreamTrace | undefined;
  #route: CompiledRoute | undefined;
  #routeKnown = false;
  #choice: ClusterChoice | undefined;
  readonly #random: number;
  #response: ResponseHead | undefined;
  #responseTrailers: HeaderList | undefined;
  #accessLogType: string | undefined;
  // What waits at filters that said stop, by direction; undefined while nothing ever did.
  #requestHeld: Held[] | undefined;
  #responseHeld: Held[] | undefined;
  #requestEnded = false;
  #headSent = false;
  #replied = false;
  #done = false;
  #lastActivityMs = 0;
  #idleMs = 0;
  #cancelIdle: (() => void) | undefined;
  #cancelRequestTimeout: (() => void) | undefined;
  #cancelMaxDuration: (() => void) | undefined;
  #timers: Set<() => void> | undefined;
  #format: FormatContext | undefined;

  constructor(owner: HttpStreamOwner, server: ServerStream, head: RequestHead) {
    this.#owner = owner;
    this.settings = owner.settings;
    this.#server = server;
    this.#table = owner.settings.routes.current;
    this.request = head;
    this.#random = owner.random.next();
    const connection = owner.connectionInfo;
    const verdict = prepareRequest(head, connection, this.settings);
    this.info = createStreamInfo(
      verdict.kind === 'go' && verdict.client !== connection.remoteAddress ? withClient(connection, verdict.client) : connection,
      owner.clock.now(),
      owner.clock.monotonic(),
    );
    this.info.protocol = head.version;
    if (verdict.kind === 'refuse') this.#refusal = verdict;
  }
  readonly #refusal: { readonly status: number; readonly details: string; readonly location?: string } | undefined;
  get clusters(): ClusterManager {
    return this.#owner.clusters;
  }
  get clock(): Clock {
    return this.#owner.clock;
  }
  get random(): Random {
    return this.#owner.random;
  }
  get trace(): StreamTrace | undefined {
    return this.#trace;
  }
  get version(): HttpVersion {
    return this.#server.version;
  }
  get formatContext(): FormatContext {
    this.#format ??= this.#makeFormatContext();
    return this.#format;
  }
  start(endStream: boolean): void {
    const { settings } = this;
    this.#requestEnded = endStream;
    this.#armTimers(endStream);
    if (this.#refusal !== undefined) {
      const { status, details, location } = this.#refusal;
      this.sendLocalReply({ status, body: '', details, ...(location === undefined ? {} : { headers: ['location', location] }) });
      return;
    }
    if (!settings.proxy100Continue && header(this.request.headers, 'expect')?.toLowerCase() === '100-continue') {
      removeHeader(this.request.headers, 'expect');
      this.#server.sendHead({ status: 100, headers: [] }, false);
    }
    if (this.request.authority === '' && this.request.version !== 'HTTP/1.0') {
      this.sendLocalReply({ status: 400, body: '', details: 'missing_host_header' });
      return;
    }
    if (settings.tracing !== undefined) this.#trace = new StreamTrace(settings.tracing, this.request, this.#findRoute(), this.random);
    for (const { name, factory, disabled } of settings.filters) {
      if (this.#routeDisables(name, disabled)) continue;
      this.#filters.push(factory.create(this));
    }
    this.#passHead(0, endStream);
  }
  // RequestReceiver: what the client sends.
  onData(data: Buffer, endStream: boolean): void {
    this.info.bytesReceived += data.length;
    if (this.#idleMs > 0) this.#lastActivityMs = this.clock.monotonic();
    if (endStream) this.#onRequestEnd();
    if (!this.#done && !this.#replied) this.#passData(0, data, endStream);
  }
  onTrailers(trailers: HeaderList): void {
    this.#onRequestEnd();
    if (!this.#done && !this.#replied) this.#passTrailers(0, trailers);
  }
  onReset(reason: ResetReason, detail: string): void {
    if (this.#done) return;
    this.settings.stats.rqRxReset.add(1);
    if (reason === 'protocol-error') {
      this.info.responseFlags.add('DPE');
      this.info.responseCodeDetails = this.version === 'HTTP/2' ? 'http2.violation.of.messaging.rule' : 'http1.codec_error';
    } else if (this.info.responseFlags.size === 0) {
      this.info.responseFlags.add(reason === 'remote-reset' ? 'DR' : 'DC');
      this.info.responseCodeDetails = reason === 'remote-reset' ? 'downstream_remote_reset' : 'downstream_remote_disconnect';
    }
    this.info.connectionTerminationDetails = reason === 'overflow' ? detail : '';
    this.#complete();
  }
  onDrain(): void {
    this.#router?.resumeResponse();
  }
  // HttpFilterCallbacks.
  route(): RouteView | undefined {
    return this.#findRoute() === undefined ? undefined : this;
  }
  clearRoute(): void {
    this.#routeKnown = false;
    this.#route = undefined;
    this.#choice = undefined;
  }
  perRouteConfig(filterName: string): unknown {
    const route = this.#findRoute();
    return route?.filterConfig(filterName, route.action.kind === 'forward' ? this.clusterChoice(route.action) : undefined);
  }
  perRouteConfigs(filterName: string): readonly unknown[] {
    const route = this.#findRoute();
    return route?.filterConfigs(filterName, route.action.kind === 'forward' ? this.clusterChoice(route.action) : undefined) ?? [];
  }
  continueRequest(filter?: HttpFilter): void {
    const all = this.#requestHeld;
    if (all === undefined || this.#done || this.#replied) return;
    const held = filter === undefined ? all[0] : heldAt(all, this.#filters.indexOf(filter));
    if (held !== undefined) this.#resumeRequest(held);
  }
  continueResponse(filter?: HttpFilter): void {
    const all = this.#responseHeld;
    if (all === undefined || this.#done) return;
    const held = filter === undefined ? all[0] : heldAt(all, this.#filters.indexOf(filter));
    if (held !== undefined) this.#resumeResponse(held);
  }
  passRequestData(filter: HttpFilter, data: Buffer, endStream: boolean): void {
    if (this.#done || this.#replied) return;
    const at = this.#filters.indexOf(filter);
    const held = heldAt(this.#requestHeld, at);
    if (held === undefined) this.#passData(at + 1, data, endStream);
    else this.#hold(held, data, endStream);
  }
  passResponseData(filter: HttpFilter, data: Buffer, endStream: boolean): void {
    if (this.#done) return;
    const at = this.#filters.indexOf(filter);
    const held = heldAt(this.#responseHeld, at);
    if (held === undefined) this.#passResponseData(at - 1, data, endStream);
    else this.#holdResponse(held, data, endStream);
  }
  pauseResponse(): void {
    this.#router?.pauseResponse();
  }
  resumeResponse(): void {
    this.#router?.resumeResponse();
  }
  sendLocalReply(reply: LocalReply): void {
    if (this.#done) return;
    const { info } = this;
    if (reply.flag !== undefined) info.responseFlags.add(reply.flag);
    info.responseCodeDetails = reply.details;
    this.#router?.cancel();
    if (this.#headSent) {
      this.abortResponse();
      return;
    }
    this.#replied = true;
    this.#requestHeld = undefined;
    this.#server.resume();
    this.#responseHeld = undefined;
    const { head, body } = replyMessage(this.request, reply.status, reply.body, reply.headers, reply.grpcStatus);
    this.#deliver(head, body);
  }
  setTimeout(fn: () => void, delayMs: number): () => void {
    this.#timers ??= new Set();
    const timers = this.#timers;
    const cancel = this.clock.setTimeout(() => {
      timers.delete(cancel);
      if (!this.#done) fn();
    }, delayMs);
    timers.add(cancel);
    return () => {
      timers.delete(cancel);
      cancel();
    };
  }
  // RouteView, of the route in force.
  get name(): string {
    return this.#route?.name ?? '';
  }
  get virtualHostName(): string {
    return this.#route?.virtualHost.name ?? '';
  }
  get clusterName(): string | undefined {
    const action = this.#route?.action;
    return action?.kind === 'forward' ? this.clusterChoice(action).name : undefined;
  }
  get metadata(): Readonly<Record<string, unknown>> {
    return this.#route?.metadata ?? {};
  }
  get decoratorOperation(): string {
    return this.#route?.decoratorOperation ?? '';
  }
  get compiled(): CompiledRoute | undefined {
    return this.#route;
  }
  // For the router.
  clusterChoice(action: ForwardAction): ClusterChoice {
    this.#choice ??= action.chooseCluster(this.request, this.#random);
    return this.#choice;
  }
  pauseRequest(): void {
    if (!this.#requestEnded) this.#server.pause();
  }
  resumeRequest(): void {
    if (!this.#requestEnded) this.#server.resume();
  }
  randomHex(): string {
    return Array.from({ length: 4 }, () =>
      Math.floor(this.random.next() * 0x1_0000_0000)
        .toString(16)
        .padStart(8, '0'),
    ).join('');
  }
  onUpstreamInterim(head: ResponseHead): void {
    if (head.status === 100 && !this.settings.proxy100Continue) return;
    this.#server.sendHead(head, false);
  }
  onUpstreamHead(head: ResponseHead, endStream: boolean): void {
    if (this.#done || this.#replied) return;
    this.#response = head;
    this.#passResponseHead(this.#filters.length - 1, head, endStream);
  }
  onUpstreamData(data: Buffer, endStream: boolean): void {
    if (this.#done || this.#replied) return;
    if (this.#idleMs > 0) this.#lastActivityMs = this.clock.monotonic();
    this.#passResponseData(this.#filters.length - 1, data, endStream);
  }
  onUpstreamTrailers(trailers: HeaderList): void {
    if (!this.#done && !this.#replied) this.#passResponseTrailers(this.#filters.length - 1, trailers);
  }
  /** A response that has begun cannot be completed. */
  abortResponse(): void {
    if (this.#done) return;
    this.settings.stats.rqTxReset.add(1);
    this.#server.reset('local-reset');
    this.#complete();
  }
  // Request direction.
  #passHead(from: number, endStream: boolean): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length; i++) {
      const status = filters[i]?.onRequestHead?.(this.request, endStream);
      if (this.#done || this.#replied) return;
      if (status !== 'stop') continue;
      this.#requestHeld ??= [];
      const held = holdAt(this.#requestHeld, i);
      held.head = true;
      held.end = endStream;
      return;
    }
    this.#startRouter(endStream);
  }
  #passData(from: number, bytes: Buffer, endStream: boolean): void {
    const filters = this.#filters;
    let data = bytes;
    for (let i = from; i < filters.length; i++) {
      const filter = filters[i];
      const held = this.#requestHeld === undefined ? undefined : heldAt(this.#requestHeld, i);
      if (filter?.onRequestData === undefined) {
        if (held === undefined) continue;
        this.#hold(held, data, endStream);
        return;
      }
      const status = filter.onRequestData(data, endStream);
      if (this.#done || this.#replied || status === 'taken') return;
      if (status === 'stop') {
        this.#requestHeld ??= [];
        this.#hold(held ?? holdAt(this.#requestHeld, i), data, endStream);
        return;
      }
      if (status !== 'continue') data = status;
      if (held === undefined) continue;
      // It held the stream back, and lets it go with these bytes.
      held.data.push(data);
      held.end = endStream;
      this.#resumeRequest(held);
      return;
    }
    this.#router?.onData(data, endStream);
  }
  #passTrailers(from: number, trailers: HeaderList): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length; i++) {
      const filter = filters[i];
      const status = filter?.onRequestTrailers?.(trailers);
      if (this.#done || this.#replied) return;
      const held = this.#requestHeld === undefined ? undefined : heldAt(this.#requestHeld, i);
      if (status === 'stop' || (held !== undefined && status === undefined)) {
        this.#requestHeld ??= [];
        (held ?? holdAt(this.#requestHeld, i)).trailers = trailers;
        return;
      }
      if (held === undefined) continue;
      held.trailers = trailers;
      this.#resumeRequest(held);
      return;
    }
    this.#router?.onTrailers(trailers);
  }
  #resumeRequest(held: Held): void {
    const { at, head, data, end, trailers } = held;
    takeHeld(this.#requestHeld, held);
    this.#server.resume();
    if (head) {
      this.#passHead(at + 1, end && data.length === 0 && trailers === undefined);
      if (this.#done || this.#replied) return;
    }
    if (data.length > 0) this.#passData(at + 1, data.length === 1 ? (data[0] ?? emptyBody) : Buffer.concat(data), end);
    else if (end && !head) this.#passData(at + 1, emptyBody, true);
    if (trailers !== undefined && !this.#done && !this.#replied) this.#passTrailers(at + 1, trailers);
  }
  #hold(held: Held, data: Buffer, endStream: boolean): void {
    held.data.push(data);
    held.bytes += data.length;
    held.end = endStream;
    if (held.bytes <= this.settings.bufferLimitBytes) return;
    const buffering = this.#filters[held.at]?.onRequestData !== undefined;
    if (buffering) this.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
    else this.pauseRequest();
  }
  #startRouter(endStream: boolean): void {
    const route = this.#findRoute();
    const { settings, info } = this;
    if (route === undefined) {
      settings.stats.noRoute.add(1);
      this.sendLocalReply({ status: 404, body: '', details: 'route_not_found', flag: 'NR' });
      return;
    }
    const { action } = route;
    switch (action.kind) {
      case 'forward': {
        const { upgrade } = this.request;
        if (upgrade !== undefined && this.request.method !== 'CONNECT' && !this.#allowsUpgrade(action, upgrade)) {
          this.sendLocalReply({ status: 403, body: '', details: 'upgrade_failed' });
          return;
        }
        this.#router = new Router(this, route, action);
        this.#router.start(this.request, endStream);
        return;
      }
      case 'redirect':
        settings.stats.rqRedirect.add(1);
        this.#answer(route, action.status, emptyBody, ['location', action.location(this.request)]);
        return;
      case 'direct-response':
        settings.stats.rqDirectResponse.add(1);
        this.#answer(route, action.status, action.body, []);
        return;
      default:
        info.responseFlags.add('NR');
        this.sendLocalReply({ status: 404, body: '', details: 'route_not_found' });
    }
  }
  /** Redirects and direct responses: the route's response headers apply. */
  #answer(route: CompiledRoute, status: number, body: Buffer, headers: HeaderList): void {
    this.info.responseCodeDetails = 'direct_response';
    route.finalizeRequest(this.request, undefined, this.formatContext);
    const message = replyMessage(this.request, status, body, headers, undefined);
    route.finalizeResponse(message.head, undefined, this.formatContext);
    this.#replied = true;
    this.#deliver(message.head, message.body);
  }
  #deliver(head: ResponseHead, body: Buffer): void {
    this.#response = head;
    const last = this.#filters.length - 1;
    this.#passResponseHead(last, head, body.length === 0);
    if (body.length > 0 && !this.#done) this.#passResponseData(last, body, true);
  }
  #allowsUpgrade(action: ForwardAction, upgrade: string): boolean {
    const type = upgrade.toLowerCase();
    return action.upgrades.get(type) ?? this.settings.upgrades.get(type) ?? false;
  }
  #routeDisables(name: string, byDefault: boolean): boolean {
    const route = this.#findRoute();
    return route?.filterDisabled(name) ?? byDefault;
  }
  #findRoute(): CompiledRoute | undefined {
    if (this.#routeKnown) return this.#route;
    this.#routeKnown = true;
    const route = this.#table?.route(this.request, { info: this.info, random: this.#random });
    this.#route = route;
    if (route !== undefined) {
      this.info.routeName = route.name;
      this.info.virtualHostName = route.virtualHost.name;
      this.info.routeMetadata = route.metadata;
      if (route.action.kind === 'forward') {
        const { name } = this.clusterChoice(route.action);
        if (name !== '' && this.clusters.get(name) !== undefined) this.info.upstreamCluster = name;
      }
      const idle = route.action.kind === 'forward' ? route.action.idleTimeoutMs : undefined;
      if (idle !== undefined && idle !== this.#idleMs) this.#armIdle(idle);
      const maxMs = route.action.kind === 'forward' ? route.action.maxStreamDurationMs : undefined;
      if (maxMs !== undefined) this.#armMaxDuration(maxMs);
    }
    return route;
  }
  // Response direction, in reverse order.
  #passResponseHead(from: number, head: ResponseHead, endStream: boolean): void {
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]?.onResponseHead?.(head, endStream);
      if (this.#done) return;
      if (this.#response !== head) return;
      if (status !== 'stop') continue;
      this.#responseHeld ??= [];
      const held = holdAt(this.#responseHeld, i);
      held.head = true;
      held.end = endStream;
      return;
    }
    this.#sendHead(head, endStream);
  }
  #passResponseData(from: number, bytes: Buffer, endStream: boolean): void {
    let data = bytes;
    for (let i = from; i >= 0; i--) {
      const filter = this.#filters[i];
      const held = this.#responseHeld === undefined ? undefined : heldAt(this.#responseHeld, i);
      if (filter?.onResponseData === undefined) {
        if (held === undefined) continue;
        this.#holdResponse(held, data, endStream);
        return;
      }
      const status = filter.onResponseData(data, endStream);
      if (this.#done || status === 'taken') return;
      if (status === 'stop') {
        this.#responseHeld ??= [];
        this.#holdResponse(held ?? holdAt(this.#responseHeld, i), data, endStream);
        return;
      }
      if (status !== 'continue') data = status;
      if (held === undefined) continue;
      held.data.push(data);
      held.end = endStream;
      this.#resumeResponse(held);
      return;
    }
    this.info.bytesSent += data.length;
    const flowing = this.#server.sendData(data, endStream);
    if (endStream) this.#complete();
    else if (!flowing) this.#router?.pauseResponse();
  }
  #passResponseTrailers(from: number, trailers: HeaderList): void {
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]?.onResponseTrailers?.(trailers);
      if (this.#done) return;
      if (Buffer.isBuffer(status)) {
        // Bytes that the filter puts before the trailers, or in their place when it emptied them.
        this.#passResponseData(i - 1, status, trailers.length === 0);
        if (trailers.length === 0 || this.#done) return;
        continue;
      }
      const held = this.#responseHeld === undefined ? undefined : heldAt(this.#responseHeld, i);
      if (status === 'stop' || (held !== undefined && status === undefined)) {
        this.#responseHeld ??= [];
        (held ?? holdAt(this.#responseHeld, i)).trailers = trailers;
        return;
      }
      if (held === undefined) continue;
      held.trailers = trailers;
      this.#resumeResponse(held);
      return;
    }
    this.#responseTrailers = trailers;
    this.#server.sendTrailers(trailers);
    this.#complete();
  }
  #resumeResponse(held: Held): void {
    const { at, head, data, end, trailers } = held;
    takeHeld(this.#responseHeld, held);
    const response = this.#response;
    if (head && response !== undefined) {
      this.#passResponseHead(at - 1, response, end && data.length === 0 && trailers === undefined);
      if (this.#done) return;
    }
    if (data.length > 0) this.#passResponseData(at - 1, data.length === 1 ? (data[0] ?? emptyBody) : Buffer.concat(data), end);
    else if (end && !head) this.#passResponseData(at - 1, emptyBody, true);
    if (trailers !== undefined && !this.#done) this.#passResponseTrailers(at - 1, trailers);
    this.#router?.resumeResponse();
  }
  #holdResponse(held: Held, data: Buffer, endStream: boolean): void {
    held.data.push(data);
    held.bytes += data.length;
    held.end = endStream;
    // A filter that gathers the body gets it whole up to the limit; one that only waits slows the upstream.
    const limit = this.#filters[held.at]?.onResponseData === undefined ? responseHoldBytes : this.settings.bufferLimitBytes;
    if (held.bytes > limit) this.#router?.pauseResponse();
  }
  #sendHead(head: ResponseHead, endStream: boolean): void {
    this.#headSent = true;
    const { info, settings } = this;
    info.responseCode = head.status;
    finishResponseHead(head, this.request, settings, !this.#replied);
    this.#trace?.onResponse(head);
    if (this.#owner.draining && head.status !== 101) head.headers.push('connection', 'close');
    settings.stats.classes[Math.floor(head.status / 100) - 1]?.add(1);
    this.#cancelRequestTimeout?.();
    this.#server.sendHead(head, endStream);
    if (endStream) this.#complete();
  }
  // Time.
  #armTimers(endStream: boolean): void {
    const { settings } = this;
    if (settings.streamIdleTimeoutMs > 0) this.#armIdle(settings.streamIdleTimeoutMs);
    if (settings.maxStreamMs > 0) this.#armMaxDuration(settings.maxStreamMs);
    if (settings.requestTimeoutMs > 0 && !endStream) {
      this.#cancelRequestTimeout = this.clock.setTimeout(() => {
        settings.stats.rqTimeout.add(1);
        this.sendLocalReply({ status: 408, body: 'request timeout', details: 'request_overall_timeout' });
      }, settings.requestTimeoutMs);
    }
  }
  #armIdle(ms: number): void {
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    this.#idleMs = ms;
    if (ms === 0) return;
    this.#lastActivityMs = this.clock.monotonic();
    this.#cancelIdle = this.clock.setTimeout(() => this.#checkIdle(), ms);
  }
  #checkIdle(): void {
    if (this.#done) return;
    const left = this.#idleMs - (this.clock.monotonic() - this.#lastActivityMs);
    if (left > 1) {
      this.#cancelIdle = this.clock.setTimeout(() => this.#checkIdle(), left);
      return;
    }
    this.settings.stats.rqIdleTimeout.add(1);
    this.info.responseFlags.add('SI');
    if (this.#headSent) {
      this.info.responseCodeDetails = 'stream_idle_timeout';
      this.#router?.cancel();
      this.abortResponse();
    } else this.sendLocalReply({ status: this.#router === undefined ? 408 : 504, body: 'stream timeout', details: 'stream_idle_timeout' });
  }
  #armMaxDuration(ms: number): void {
    this.#cancelMaxDuration?.();
    this.#cancelMaxDuration = undefined;
    if (ms === 0) return;
    this.#cancelMaxDuration = this.clock.setTimeout(() => {
      this.settings.stats.rqMaxDuration.add(1);
      this.info.responseFlags.add('UMSDR');
      this.sendLocalReply({ status: this.#requestEnded ? 504 : 408, body: 'downstream duration timeout', details: 'max_duration_timeout' });
    }, ms);
  }
  #onRequestEnd(): void {
    this.#requestEnded = true;
    this.#cancelRequestTimeout?.();
    this.#cancelRequestTimeout = undefined;
    this.info.requestDurationMs = this.clock.monotonic() - this.info.startMonotonicMs;
  }
  #complete(): void {
    if (this.#done) return;
    this.#done = true;
    const { info, settings } = this;
    this.#router?.cancel();
    this.#cancelIdle?.();
    this.#cancelRequestTimeout?.();
    this.#cancelMaxDuration?.();
    if (this.#timers !== undefined) for (const cancel of this.#timers) cancel();
    info.durationMs = this.clock.monotonic() - info.startMonotonicMs;
    info.responseDurationMs = info.durationMs;
    settings.stats.rqTime.record(info.durationMs);
    settings.stats.rqCompleted.add(1);
    this.#accessLogType = 'DownstreamEnd';
    for (const filter of this.#filters) filter.onComplete?.();
    if (this.#trace !== undefined) {
      this.#router?.endAttemptSpan();
      this.#trace.finish(this.formatContext);
    }
    if (settings.accessLogs.length > 0) {
      const context = this.formatContext;
      for (const log of settings.accessLogs) log.log(context);
    }
    this.#owner.onStreamDone(this);
  }
  #makeFormatContext(): FormatContext {
    const stream = this;
    return {
      info: this.info,
      request: this.request,
      get response() {
        return stream.#response;
      },
      get responseTrailers() {
        return stream.#responseTrailers;
      },
      get traceId() {
        const traced = stream.#trace?.context?.traceId;
        if (traced !== undefined) return traced;
        return header(stream.request.headers, 'x-b3-traceid') ?? header(stream.request.headers, 'traceparent')?.split('-')[1];
      },
      get spanId() {
        return stream.#trace?.context?.spanId;
      },
      get traced() {
        return stream.#trace?.context?.sampled;
      },
      get accessLogType() {
        return stream.#accessLogType;
      },
    };
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
