import type { FetchedResponse, FetchOptions, FilterConnection, FilterRoute, FilterStream, StreamReply } from '@xebec/filter';
import type { HttpVersion } from '@xebec/wire';
import type { Call, Done, FetchAnswer, JsonObject } from '../protocol.ts';
import { ListHeaders } from './headers.ts';

/** What a stream asks of the thread's other end. */
export interface HostedStreamOwner {
  fetch(
    cluster: string,
    request: { method: string; path: string; authority: string; headers: string[] },
    body: Uint8Array,
    timeoutMs: number,
  ): Promise<FetchAnswer>;
  log(message: string, fields: JsonObject): void;
}

class HostedRequest {
  method = '';
  path = '';
  authority = '';
  scheme = '';
  version: HttpVersion = 'HTTP/1.1';
  headers = new ListHeaders([]);
}

class HostedResponse {
  status: number;
  readonly headers: ListHeaders;

  constructor(status: number, headers: ListHeaders) {
    this.status = status;
    this.headers = headers;
  }
}

/** A user's view of one stream, in the user's thread: changes are gathered and handed back after each call. */
export class HostedStream implements FilterStream {
  readonly #owner: HostedStreamOwner;
  readonly request = new HostedRequest();
  response: HostedResponse | undefined;
  readonly route: FilterRoute | undefined;
  readonly connection: FilterConnection;
  readonly state = new Map<string, unknown>();
  #metadata: Record<string, JsonObject> = {};
  #changed: [string, JsonObject][] = [];
  #reply: Done['reply'];
  #clearRoute = false;
  #counts: [string, number][] = [];

  constructor(owner: HostedStreamOwner, call: Call) {
    this.#owner = owner;
    this.route = call.begin?.route;
    this.connection = call.begin?.connection ?? {
      remoteAddress: '',
      remotePort: 0,
      localAddress: '',
      localPort: 0,
      requestedServerName: '',
      peerUris: [],
    };
  }
  /** Takes in what a call brings. */
  begin({ request, response, metadata }: Call): void {
    if (request !== undefined) {
      const { method, path, authority, scheme, version, headers } = request;
      Object.assign(this.request, { method, path, authority, scheme, version, headers: new ListHeaders(headers) });
    }
    if (response !== undefined) this.response = new HostedResponse(response.status, new ListHeaders(response.headers));
    this.#metadata = { ...metadata };
  }
  /** What the call changed. */
  finish(call: Call, body: Uint8Array | undefined): Done {
    const { method, path, authority, headers } = this.request;
    const done: Done = {
      kind: 'done',
      stream: call.stream,
      request: call.request === undefined ? undefined : { method, path, authority, headers: headers.list },
      response:
        call.response === undefined || this.response === undefined
          ? undefined
          : { status: this.response.status, headers: this.response.headers.list },
      body,
      metadata: this.#changed,
      clearRoute: this.#clearRoute,
      reply: this.#reply,
      counts: this.#counts,
    };
    this.#changed = [];
    this.#counts = [];
    this.#clearRoute = false;
    this.#reply = undefined;
    return done;
  }
  metadata(namespace: string): JsonObject | undefined {
    return this.#metadata[namespace];
  }
  setMetadata(namespace: string, fields: JsonObject): void {
    this.#metadata[namespace] = { ...this.#metadata[namespace], ...fields };
    this.#changed.push([namespace, fields]);
  }
  reply({ status, body = '', headers = {}, details = 'typescript_filter_reply' }: StreamReply): void {
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new RangeError(`reply: status ${status} is not 200 to 599`);
    const list = new ListHeaders([]);
    for (const [name, value] of Object.entries(headers)) list.set(name, value);
    this.#reply = { status, body: String(body), headers: list.list, details: details.replaceAll(/\s/g, '_') };
  }
  clearRoute(): void {
    this.#clearRoute = true;
  }
  async fetch(cluster: string, options: FetchOptions = {}): Promise<FetchedResponse> {
    const { method = 'GET', path = '/', authority = cluster, headers = {}, body = '', timeoutMs = 1000 } = options;
    const list = new ListHeaders([]);
    for (const [name, value] of Object.entries(headers)) list.set(name, value);
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const answer = await this.#owner.fetch(cluster, { method, path, authority, headers: list.list }, bytes, timeoutMs);
    if (!answer.ok) throw new Error(`fetch from cluster "${cluster}": ${answer.error}`);
    const text = (): string => Buffer.from(answer.body).toString();
    return {
      status: answer.status,
      headers: new ListHeaders(answer.headers),
      body: answer.body,
      text,
      json: (): unknown => JSON.parse(text()),
    };
  }
  count(name: string, by = 1): void {
    if (!/^[A-Za-z0-9_.]{1,100}$/.test(name)) throw new TypeError(`count: "${name}" is not letters, digits, _ and .`);
    this.#counts.push([name, by]);
  }
  log(message: string, fields: JsonObject = {}): void {
    this.#owner.log(message, fields);
  }
}
