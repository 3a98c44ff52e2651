/** Headers of a message. Names are compared in lower case. */
export interface FilterHeaders extends Iterable<readonly [name: string, value: string]> {
  /** The first value, or undefined. */
  get(name: string): string | undefined;
  getAll(name: string): readonly string[];
  has(name: string): boolean;
  /** Replaces all values by one. */
  set(name: string, value: string): void;
  append(name: string, value: string): void;
  delete(name: string): void;
}

export interface FilterRequest {
  method: string;
  /** With the query. */
  path: string;
  authority: string;
  readonly scheme: string;
  readonly version: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  readonly headers: FilterHeaders;
}

export interface FilterResponse {
  status: number;
  readonly headers: FilterHeaders;
}

/** The route that the request has matched. */
export interface FilterRoute {
  readonly name: string;
  readonly virtualHost: string;
  /** Undefined for redirects and direct responses. */
  readonly cluster: string | undefined;
  /** `filter_metadata` of the route. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface FilterConnection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly requestedServerName: string;
  /** URI SANs of the client's certificate: its SPIFFE identity under mutual TLS. */
  readonly peerUris: readonly string[];
}

/** An answer in place of the upstream's. */
export interface StreamReply {
  /** 200 to 599. */
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** For logs: `%RESPONSE_CODE_DETAILS%`. */
  readonly details?: string;
}

export interface FetchOptions {
  readonly method?: string;
  readonly path?: string;
  /** `Host`; the cluster's name without it. */
  readonly authority?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Milliseconds; 1000. */
  readonly timeoutMs?: number;
}

export interface FetchedResponse {
  readonly status: number;
  readonly headers: FilterHeaders;
  readonly body: Uint8Array;
  text(): string;
  /** Throws when the body is not JSON. */
  json(): unknown;
}

/** One request and its response, as a filter sees them. */
export interface FilterStream {
  readonly request: FilterRequest;
  /** Undefined until `onResponse`. */
  readonly response: FilterResponse | undefined;
  readonly route: FilterRoute | undefined;
  readonly connection: FilterConnection;
  /** Whatever one function wants to leave for the next. */
  readonly state: Map<string, unknown>;
  /** Fields of the stream's dynamic metadata that other filters left in a namespace. */
  metadata(namespace: string): Readonly<Record<string, unknown>> | undefined;
  /** Adds fields, for filters that come later and for logs (`%DYNAMIC_METADATA(namespace:field)%`). Values must be JSON. */
  setMetadata(namespace: string, fields: Readonly<Record<string, unknown>>): void;
  /** Answers from here; later filters and the upstream never see the request. */
  reply(reply: StreamReply): void;
  /** Chooses the route anew, after headers that it depends on were changed. */
  clearRoute(): void;
  /** Calls a cluster of the configuration. Rejects when it does not answer. */
  fetch(cluster: string, options?: FetchOptions): Promise<FetchedResponse>;
  /** Adds to a counter: `http.<prefix>.typescript.<file>.custom.<name>`. */
  count(name: string, by?: number): void;
  /** Writes to the proxy's log. */
  log(message: string, fields?: Readonly<Record<string, unknown>>): void;
}
