import { type HttpFilter, type HttpFilterCallbacks, type LocalReply, passiveFilter, type RouteView } from '@xebec/filters';
import type { ClusterChoice, CompiledRoute, ForwardAction } from '@xebec/matching';
import type { StreamInfo } from '@xebec/telemetry';
import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import { keptBytes } from '../net/read-area.ts';
import { type Held, heldAt, holdAt, takeHeld } from './held-stream.ts';
import type { HttpSettings } from './http-settings.ts';

/** What the chain asks of its stream, and where both directions go on from its ends. */
export interface FilteredStream {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  readonly response: ResponseHead | undefined;
  readonly settings: HttpSettings;
  /** The stream is over. */
  readonly done: boolean;
  /** It is over, or has been answered from here: nothing of the request goes on. */
  readonly answered: boolean;
  findRoute(): CompiledRoute | undefined;
  forgetRoute(): void;
  clusterChoice(action: ForwardAction): ClusterChoice;
  sendLocalReply(reply: LocalReply): void;
  after(fn: () => void, delayMs: number): () => void;
  pauseRequest(): void;
  resumeRequest(): void;
  pauseResponse(): void;
  resumeResponse(): void;
  /** The request goes on to the router. */
  routeHead(endStream: boolean): void;
  routeData(data: Buffer, endStream: boolean): void;
  routeTrailers(trailers: HeaderList): void;
  /** The response goes on to the client. */
  sendHead(head: ResponseHead, endStream: boolean): void;
  sendData(data: Buffer, endStream: boolean): void;
  sendTrailers(trailers: HeaderList): void;
}

const emptyBody = Buffer.alloc(0);
/** What may wait of a response at a filter that does not gather it. */
const responseHoldBytes = 64 * 1024;

/** An upgrade's own filters, where it has some. */
export function chainFor(upgrade: string | undefined, { filters, upgradeFilters }: HttpSettings): HttpSettings['filters'] {
  return upgrade === undefined ? filters : (upgradeFilters.get(upgrade) ?? filters);
}

/** The filters of one stream: the request passes them in order, the response in reverse; each may hold either back. */
export class FilterChain implements HttpFilterCallbacks, RouteView {
  readonly #stream: FilteredStream;
  readonly #filters: HttpFilter[] = [];
  #requestHeld: Held[] | undefined = undefined;
  #responseHeld: Held[] | undefined = undefined;

  constructor(stream: FilteredStream) {
    this.#stream = stream;
    const { settings, request } = stream;
    const filters = chainFor(request.upgrade ?? (request.method === 'CONNECT' ? 'connect' : undefined), settings);
    for (let i = 0; i < filters.length; i++) {
      const entry = filters[i];
      if (entry === undefined) continue;
      const route = stream.findRoute();
      const disabled = route?.filterDisabled(entry.name, this.#choiceOf(route)) ?? entry.disabled;
      if (disabled) continue;
      const filter = entry.factory.create(this);
      if (filter !== passiveFilter) this.#filters.push(filter);
    }
  }
  get info(): StreamInfo {
    return this.#stream.info;
  }
  get request(): RequestHead {
    return this.#stream.request;
  }
  // HttpFilterCallbacks.
  route(): RouteView | undefined {
    return this.#stream.findRoute() === undefined ? undefined : this;
  }
  clearRoute(): void {
    this.#stream.forgetRoute();
  }
  perRouteConfig(filterName: string): unknown {
    const route = this.#stream.findRoute();
    return route?.filterConfig(filterName, this.#choiceOf(route));
  }
  perRouteConfigs(filterName: string): readonly unknown[] {
    const route = this.#stream.findRoute();
    return route?.filterConfigs(filterName, this.#choiceOf(route)) ?? [];
  }
  continueRequest(filter?: HttpFilter): void {
    const all = this.#requestHeld;
    if (all === undefined || this.#stream.answered) return;
    const held = filter === undefined ? all[0] : heldAt(all, this.#filters.indexOf(filter));
    if (held !== undefined) this.#resumeRequest(held);
  }
  continueResponse(filter?: HttpFilter): void {
    const all = this.#responseHeld;
    if (all === undefined || this.#stream.done) return;
    const held = filter === undefined ? all[0] : heldAt(all, this.#filters.indexOf(filter));
    if (held !== undefined) this.#resumeResponse(held);
  }
  passRequestData(filter: HttpFilter, data: Buffer, endStream: boolean): void {
    if (this.#stream.answered) return;
    const at = this.#filters.indexOf(filter);
    const held = heldAt(this.#requestHeld, at);
    if (held === undefined) this.#passData(at + 1, data, endStream);
    else this.#hold(held, data, endStream);
  }
  passResponseData(filter: HttpFilter, data: Buffer, endStream: boolean): void {
    if (this.#stream.done) return;
    const at = this.#filters.indexOf(filter);
    const held = heldAt(this.#responseHeld, at);
    if (held === undefined) this.#passResponseData(at - 1, data, endStream);
    else this.#holdResponse(held, data, endStream);
  }
  pauseRequest(): void {
    this.#stream.pauseRequest();
  }
  resumeRequest(): void {
    this.#stream.resumeRequest();
  }
  pauseResponse(): void {
    this.#stream.pauseResponse();
  }
  resumeResponse(): void {
    this.#stream.resumeResponse();
  }
  sendLocalReply(reply: LocalReply): void {
    this.#stream.sendLocalReply(reply);
  }
  setTimeout(fn: () => void, delayMs: number): () => void {
    return this.#stream.after(fn, delayMs);
  }
  // RouteView, of the route in force.
  get name(): string {
    return this.compiled?.name ?? '';
  }
  get virtualHostName(): string {
    return this.compiled?.virtualHost.name ?? '';
  }
  get clusterName(): string | undefined {
    const action = this.compiled?.action;
    return action?.kind === 'forward' ? this.#stream.clusterChoice(action).name : undefined;
  }
  get metadata(): Readonly<Record<string, unknown>> {
    return this.compiled?.metadata ?? {};
  }
  get decoratorOperation(): string {
    return this.compiled?.decoratorOperation ?? '';
  }
  get compiled(): CompiledRoute | undefined {
    return this.#stream.findRoute();
  }
  /** Whether any filter looks at the request's body. */
  get seesBodies(): boolean {
    for (const filter of this.#filters) if (filter.onRequestData !== undefined) return true;
    return false;
  }
  // The stream's events.
  onRequestHead(endStream: boolean): void {
    this.#passHead(0, endStream);
  }
  onRequestData(data: Buffer, endStream: boolean): void {
    this.#passData(0, data, endStream);
  }
  onRequestTrailers(trailers: HeaderList): void {
    this.#passTrailers(0, trailers);
  }
  onResponseHead(head: ResponseHead, endStream: boolean): void {
    this.#passResponseHead(this.#filters.length - 1, head, endStream);
  }
  onResponseData(data: Buffer, endStream: boolean): void {
    this.#passResponseData(this.#filters.length - 1, data, endStream);
  }
  onResponseTrailers(trailers: HeaderList): void {
    this.#passResponseTrailers(this.#filters.length - 1, trailers);
  }
  onComplete(): void {
    const filters = this.#filters;
    for (let i = 0; i < filters.length; i++) filters[i]?.onComplete?.();
  }
  /** The stream is answered from here: what waits goes nowhere. */
  drop(): void {
    this.#requestHeld = undefined;
    this.#responseHeld = undefined;
  }
  // Request direction.
  #passHead(from: number, endStream: boolean): void {
    const filters = this.#filters;
    const stream = this.#stream;
    for (let i = from; i < filters.length; i++) {
      const status = filters[i]?.onRequestHead?.(stream.request, endStream);
      if (stream.answered) return;
      if (status !== 'stop') continue;
      this.#requestHeld ??= [];
      const held = holdAt(this.#requestHeld, i);
      held.head = true;
      held.end = endStream;
      return;
    }
    stream.routeHead(endStream);
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
      // A filter may keep what it is given.
      data = keptBytes(data);
      const status = filter.onRequestData(data, endStream);
      if (this.#stream.answered || status === 'taken') return;
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
    this.#stream.routeData(data, endStream);
  }
  #passTrailers(from: number, trailers: HeaderList): void {
    const filters = this.#filters;
    for (let i = from; i < filters.length; i++) {
      const status = filters[i]?.onRequestTrailers?.(trailers);
      if (this.#stream.answered) return;
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
    this.#stream.routeTrailers(trailers);
  }
  #resumeRequest(held: Held): void {
    const { at, head, data, end, trailers } = held;
    const stream = this.#stream;
    takeHeld(this.#requestHeld, held);
    stream.resumeRequest();
    if (head) {
      this.#passHead(at + 1, end && data.length === 0 && trailers === undefined);
      if (stream.answered) return;
    }
    if (data.length > 0) this.#passData(at + 1, data.length === 1 ? (data[0] ?? emptyBody) : Buffer.concat(data), end);
    else if (end && !head) this.#passData(at + 1, emptyBody, true);
    if (trailers !== undefined && !stream.answered) this.#passTrailers(at + 1, trailers);
  }
  #hold(held: Held, data: Buffer, endStream: boolean): void {
    held.data.push(keptBytes(data));
    held.bytes += data.length;
    held.end = endStream;
    const stream = this.#stream;
    if (held.bytes <= stream.settings.bufferLimitBytes) return;
    const buffering = this.#filters[held.at]?.onRequestData !== undefined;
    if (buffering) stream.sendLocalReply({ status: 413, body: 'Payload Too Large', details: 'request_payload_too_large' });
    else stream.pauseRequest();
  }
  // Response direction, in reverse order.
  #passResponseHead(from: number, head: ResponseHead, endStream: boolean): void {
    const stream = this.#stream;
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]?.onResponseHead?.(head, endStream);
      // The response may have been replaced by another meanwhile.
      if (stream.done || stream.response !== head) return;
      if (status !== 'stop') continue;
      this.#responseHeld ??= [];
      const held = holdAt(this.#responseHeld, i);
      held.head = true;
      held.end = endStream;
      return;
    }
    stream.sendHead(head, endStream);
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
      data = keptBytes(data);
      const status = filter.onResponseData(data, endStream);
      if (this.#stream.done || status === 'taken') return;
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
    this.#stream.sendData(data, endStream);
  }
  #passResponseTrailers(from: number, trailers: HeaderList): void {
    for (let i = from; i >= 0; i--) {
      const status = this.#filters[i]?.onResponseTrailers?.(trailers);
      if (this.#stream.done) return;
      if (Buffer.isBuffer(status)) {
        // Bytes that the filter puts before the trailers, or in their place when it emptied them.
        this.#passResponseData(i - 1, status, trailers.length === 0);
        if (trailers.length === 0 || this.#stream.done) return;
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
    this.#stream.sendTrailers(trailers);
  }
  #resumeResponse(held: Held): void {
    const { at, head, data, end, trailers } = held;
    const stream = this.#stream;
    takeHeld(this.#responseHeld, held);
    const { response } = stream;
    if (head && response !== undefined) {
      this.#passResponseHead(at - 1, response, end && data.length === 0 && trailers === undefined);
      if (stream.done) return;
    }
    if (data.length > 0) this.#passResponseData(at - 1, data.length === 1 ? (data[0] ?? emptyBody) : Buffer.concat(data), end);
    else if (end && !head) this.#passResponseData(at - 1, emptyBody, true);
    if (trailers !== undefined && !stream.done) this.#passResponseTrailers(at - 1, trailers);
    stream.resumeResponse();
  }
  #holdResponse(held: Held, data: Buffer, endStream: boolean): void {
    held.data.push(keptBytes(data));
    held.bytes += data.length;
    held.end = endStream;
    // A filter that gathers the body gets it whole up to the limit; one that only waits slows the upstream.
    const limit = this.#filters[held.at]?.onResponseData === undefined ? responseHoldBytes : this.#stream.settings.bufferLimitBytes;
    if (held.bytes > limit) this.#stream.pauseResponse();
  }
  #choiceOf(route: CompiledRoute): ClusterChoice | undefined {
    return route.action.kind === 'forward' ? this.#stream.clusterChoice(route.action) : undefined;
  }
}
