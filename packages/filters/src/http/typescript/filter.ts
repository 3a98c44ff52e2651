import type { Counter } from '@xebec/telemetry';
import { type HeaderList, header, setHeader } from '@xebec/wire';
import type { FilterContext, FilterDataStatus, FilterStatus, HttpFilter, HttpFilterCallbacks } from '../../http-filter.ts';
import { setMetadata } from '../../metadata-merge.ts';
import type { CallResult, HostThread } from './host-thread.ts';
import type { LiveFile } from './live-file.ts';
import type { Call, Done, JsonObject, Phase } from './protocol.ts';

/** Longest body that a filter gets. */
const MAX_BODY_BYTES = 1024 * 1024;

export interface TypeScriptConfig {
  readonly context: FilterContext;
  readonly file: LiveFile;
  /** A failing filter lets streams pass (open) or answers 500 (closed). */
  readonly failOpen: boolean;
  readonly timeoutMs: number;
  readonly stats: Readonly<Record<'calls' | 'errors' | 'timeouts' | 'failedOpen' | 'failedClosed' | 'replies', Counter>>;
  /** Counters that the user's code names. */
  custom(name: string): Counter;
}

type Side = 'request' | 'response';

interface Body {
  readonly chunks: Buffer[];
  size: number;
  /** The head's call is done: the body's may be made. */
  headDone: boolean;
  complete: boolean;
  trailers: boolean;
}

const newBody = (): Body => ({ chunks: [], size: 0, headDone: false, complete: false, trailers: false });

/** A stream on the proxy's side: each of the user's functions is a message to the file's thread and one back. */
export class TypeScriptFilter implements HttpFilter {
  readonly #config: TypeScriptConfig;
  readonly #configId: number;
  readonly #callbacks: HttpFilterCallbacks;
  #thread: HostThread | undefined;
  #stream = 0;
  #begun = false;
  /** Over, replied or failed open: everything passes. */
  #off = false;
  #body: Partial<Record<Side, Body>> = {};
  #responseHead: { status: number; headers: HeaderList } | undefined;

  constructor(config: TypeScriptConfig, configId: number, callbacks: HttpFilterCallbacks) {
    this.#config = config;
    this.#configId = configId;
    this.#callbacks = callbacks;
  }
  onRequestHead(_: unknown, endStream: boolean): FilterStatus {
    const { file } = this.#config;
    if (file.current !== undefined) return this.#start(file.current, endStream) ? 'stop' : 'continue';
    file.whenLoaded((thread) => {
      if (this.#off) return;
      if (thread === undefined) this.#fail('no version of the file is loaded', 'request');
      else if (!this.#start(thread, endStream)) this.#callbacks.continueRequest(this);
    });
    return 'stop';
  }
  onRequestData(data: Buffer, endStream: boolean): FilterDataStatus {
    return this.#takeData('request', data, endStream);
  }
  onRequestTrailers(): FilterStatus {
    return this.#takeTrailers('request');
  }
  onResponseHead(head: { status: number; headers: HeaderList }, endStream: boolean): FilterStatus {
    const hooks = this.#thread?.hooks;
    if (this.#off || hooks === undefined) return 'continue';
    this.#responseHead = head;
    const wantsBody = hooks.responseBody && !endStream;
    if (!hooks.response && !wantsBody) return 'continue';
    if (wantsBody) this.#body.response = { ...newBody(), headDone: !hooks.response };
    if (hooks.response) this.#call('response', undefined);
    return 'stop';
  }
  onResponseData(data: Buffer, endStream: boolean): FilterDataStatus {
    return this.#takeData('response', data, endStream);
  }
  onResponseTrailers(): FilterStatus {
    return this.#takeTrailers('response');
  }
  onComplete(): void {
    this.#off = true;
    this.#thread?.closeStream(this.#stream);
    this.#thread = undefined;
  }
  /** False when this version of the file has nothing to do with the request. */
  #start(thread: HostThread, endStream: boolean): boolean {
    const { hooks } = thread;
    const stream = thread.openStream();
    if (hooks === undefined || stream === undefined) {
      this.#fail('too many streams', 'request');
      return true;
    }
    this.#thread = thread;
    this.#stream = stream;
    const wantsBody = hooks.requestBody && !endStream;
    const early = this.#body.request;
    if (wantsBody) {
      this.#body.request = { ...(early ?? newBody()), headDone: !hooks.request };
      this.#callBody('request');
    } else if (early !== undefined) this.#releaseBody('request', early);
    if (hooks.request) this.#call('request', undefined);
    return hooks.request || wantsBody;
  }
  #takeData(side: Side, data: Buffer, endStream: boolean): FilterDataStatus {
    const body = this.#gathered(side);
    // Without an interest in the body, what comes while the head waits stays with the chain.
    if (body === undefined || this.#off) return this.#waiting(side) ? 'stop' : 'continue';
    body.size += data.length;
    if (body.size > MAX_BODY_BYTES) {
      this.#off = true;
      const tooLarge = { status: side === 'request' ? 413 : 500, details: `${side}_payload_too_large` };
      this.#callbacks.sendLocalReply({ ...tooLarge, body: side === 'request' ? 'Payload Too Large' : '' });
      return 'taken';
    }
    body.chunks.push(data);
    body.complete = endStream;
    this.#callBody(side);
    return 'taken';
  }
  #takeTrailers(side: Side): FilterStatus {
    const body = this.#gathered(side);
    if (body === undefined || this.#off) return this.#waiting(side) ? 'stop' : 'continue';
    body.complete = true;
    body.trailers = true;
    this.#callBody(side);
    return 'stop';
  }
  #busy: Phase | undefined;
  /** Whether the head of a side is still with the user's code. */
  #waiting(side: Side): boolean {
    return !this.#off && this.#busy === side;
  }
  /** Where a side's body is gathered, if it is; always while it is not known yet whether the file wants it. */
  #gathered(side: Side): Body | undefined {
    if (side === 'request' && this.#thread === undefined && !this.#off) this.#body.request ??= newBody();
    return this.#body[side];
  }
  #callBody(side: Side): void {
    const body = this.#body[side];
    if (body === undefined || !body.headDone || !body.complete || this.#busy !== undefined) return;
    this.#call(side === 'request' ? 'request-body' : 'response-body', Buffer.concat(body.chunks));
  }
  #call(phase: Phase, body: Buffer | undefined): void {
    const thread = this.#thread;
    if (thread === undefined) return;
    const { info, request } = this.#callbacks;
    const response = this.#responseHead;
    this.#busy = phase;
    this.#config.stats.calls.add(1);
    const message: Call = {
      kind: 'call',
      stream: this.#stream,
      phase,
      config: this.#configId,
      begin: this.#begun ? undefined : this.#beginning(),
      request:
        phase === 'response' || phase === 'response-body' ? (this.#begun ? undefined : requestFields(request)) : requestFields(request),
      response: phase === 'response' || phase === 'response-body' ? response : undefined,
      metadata: metadataOf(info.dynamicMetadata),
      body,
    };
    this.#begun = true;
    thread.call(message, this.#config.timeoutMs, (result) => this.#finished(phase, result));
  }
  #beginning(): Call['begin'] {
    const { connection } = this.#callbacks.info;
    const route = this.#callbacks.route();
    return {
      route:
        route === undefined
          ? undefined
          : {
              name: route.name,
              virtualHost: route.virtualHostName,
              cluster: route.clusterName,
              metadata: jsonOf(route.metadata),
            },
      connection: {
        remoteAddress: connection.remoteAddress,
        remotePort: connection.remotePort,
        localAddress: connection.localAddress,
        localPort: connection.localPort,
        requestedServerName: connection.requestedServerName,
        peerUris: connection.tls?.peer?.uriSans ?? [],
      },
    };
  }
  #finished(phase: Phase, result: CallResult): void {
    this.#busy = undefined;
    if (this.#off) return;
    const side: Side = phase === 'request' || phase === 'request-body' ? 'request' : 'response';
    if (!result.ok) {
      const { stats, context } = this.#config;
      (result.kind === 'timeout' ? stats.timeouts : stats.errors).add(1);
      context.logger.error({ error: result.failure.error, at: result.failure.at, phase }, 'a filter file failed');
      this.#fail(result.failure.error, side);
      return;
    }
    if (!this.#apply(result.done)) return;
    const body = this.#body[side];
    if (body !== undefined && (phase === 'request' || phase === 'response')) {
      body.headDone = true;
      this.#callBody(side);
      return;
    }
    if (body !== undefined) this.#passBody(side, body, result.done.body);
    this.#continue(side);
  }
  #passBody(side: Side, body: Body, changed: Uint8Array | undefined): void {
    delete this.#body[side];
    const bytes = changed === undefined ? Buffer.concat(body.chunks) : Buffer.from(changed.buffer, changed.byteOffset, changed.byteLength);
    const headers = side === 'request' ? this.#callbacks.request.headers : this.#responseHead?.headers;
    if (changed !== undefined && headers !== undefined && header(headers, 'content-length') !== undefined)
      setHeader(headers, 'content-length', String(bytes.length));
    if (side === 'request') this.#callbacks.passRequestData(this, bytes, !body.trailers);
    else this.#callbacks.passResponseData(this, bytes, !body.trailers);
  }
  #continue(side: Side): void {
    if (side === 'request') this.#callbacks.continueRequest(this);
    else this.#callbacks.continueResponse(this);
  }
  /** False when the stream does not go on: the user has answered it. */
  #apply(done: Done): boolean {
    const { info, request } = this.#callbacks;
    for (const [name, by] of done.counts) this.#config.custom(name).add(by);
    for (const [namespace, fields] of done.metadata) setMetadata(info, namespace, fields);
    if (done.reply !== undefined) {
      this.#off = true;
      this.#config.stats.replies.add(1);
      this.#callbacks.sendLocalReply(done.reply);
      return false;
    }
    if (done.request !== undefined) {
      request.method = done.request.method;
      request.path = done.request.path;
      request.authority = done.request.authority;
      replace(request.headers, done.request.headers);
    }
    const head = this.#responseHead;
    if (done.response !== undefined && head !== undefined) {
      head.status = done.response.status;
      replace(head.headers, done.response.headers);
    }
    if (done.clearRoute) this.#callbacks.clearRoute();
    return true;
  }
  #fail(reason: string, side: Side): void {
    const { failOpen, stats, context } = this.#config;
    this.#off = true;
    if (!failOpen) {
      stats.failedClosed.add(1);
      this.#callbacks.sendLocalReply({ status: 500, body: '', details: 'typescript_filter_error' });
      return;
    }
    stats.failedOpen.add(1);
    context.logger.debug({ reason }, 'a stream goes on without its filter');
    const body = this.#body[side];
    if (body !== undefined) this.#releaseBody(side, body);
    this.#continue(side);
  }
  /** What has come of a body goes on as it is, the rest as it comes. */
  #releaseBody(side: Side, body: Body): void {
    delete this.#body[side];
    const bytes = Buffer.concat(body.chunks);
    const end = body.complete && !body.trailers;
    if (bytes.length === 0 && !end) return;
    if (side === 'request') this.#callbacks.passRequestData(this, bytes, end);
    else this.#callbacks.passResponseData(this, bytes, end);
  }
}

function requestFields(request: HttpFilterCallbacks['request']): NonNullable<Call['request']> {
  const { method, path, authority, scheme, version, headers } = request;
  return { method, path, authority, scheme, version, headers };
}

function replace(list: HeaderList, by: HeaderList): void {
  list.length = 0;
  for (const part of by) list.push(part);
}

/** Messages between threads carry JSON: a copy through it drops what is not. */
function jsonOf(value: JsonObject): JsonObject {
  return JSON.parse(JSON.stringify(value)) as JsonObject; // what was an object comes back as one
}

const none: Readonly<Record<string, JsonObject>> = {};

function metadataOf(all: ReadonlyMap<string, Record<string, unknown>>): Readonly<Record<string, JsonObject>> {
  if (all.size === 0) return none;
  return Object.fromEntries([...all].map(([namespace, fields]) => [namespace, jsonOf(fields)]));
}
