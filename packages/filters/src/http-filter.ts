import type { Clock, Logger, Random } from '@xebec/core';
import type { CompiledRoute } from '@xebec/matching';
import type { StatsScope, StreamInfo } from '@xebec/telemetry';
import type { HeaderList, RequestHead, ResponseHead } from '@xebec/wire';
import type { ProcessState } from './process-state.ts';

/** `continue`: on to the next filter. `stop`: this filter will call `continueRequest`/`continueResponse`, or has replied. */
export type FilterStatus = 'continue' | 'stop';

/**
 * For body pieces: bytes go on in place of those given; `taken` means that the filter has them, and passes on what it makes of
 * them, and the end, by `passRequestData` or `passResponseData`. `continue` or bytes from a filter that had said stop let the
 * stream go on from there.
 */
export type FilterDataStatus = FilterStatus | 'taken' | Buffer;

/** What a filter may do with the stream it sits on. */
export interface HttpFilterCallbacks {
  readonly info: StreamInfo;
  readonly request: RequestHead;
  /** The matched route as the filter sees it, or undefined (404 to come). Resolved on first use; `clearRoute` forgets it. */
  route(): RouteView | undefined;
  clearRoute(): void;
  /** The most specific `typed_per_filter_config` for this filter (route over virtual host over route configuration). */
  perRouteConfig(filterName: string): unknown;
  /** All of the levels that have one, the least specific first. */
  perRouteConfigs(filterName: string): readonly unknown[];
  /** Lets go what waits at `filter`; without it, at the filter that said stop first. */
  continueRequest(filter?: HttpFilter): void;
  continueResponse(filter?: HttpFilter): void;
  /** Body bytes from `filter` on to the filters after it; while that filter holds the stream they wait with the rest. */
  passRequestData(filter: HttpFilter, data: Buffer, endStream: boolean): void;
  passResponseData(filter: HttpFilter, data: Buffer, endStream: boolean): void;
  /** Slows the client or the upstream down while a filter has more of a body than it can work off. */
  pauseRequest(): void;
  resumeRequest(): void;
  pauseResponse(): void;
  resumeResponse(): void;
  /** Answers from here: response filters still run. Body text is also the gRPC message when the request is gRPC. */
  sendLocalReply(reply: LocalReply): void;
  /** Runs `fn` later on this stream's thread unless the stream has ended; returns a cancel function. */
  setTimeout(fn: () => void, delayMs: number): () => void;
}

export interface LocalReply {
  readonly status: number;
  readonly body: string;
  /** Response code details, such as `rbac_access_denied_matched_policy[none]`. */
  readonly details: string;
  readonly flag?: import('@xebec/telemetry').ResponseFlag;
  readonly headers?: HeaderList;
  readonly grpcStatus?: number;
}

export interface RouteView {
  readonly name: string;
  readonly virtualHostName: string;
  /** Undefined for redirects and direct responses. */
  readonly clusterName: string | undefined;
  /** `filter_metadata` of the route. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly decoratorOperation: string;
  /** The route itself, for filters that read more of its configuration. */
  readonly compiled: CompiledRoute | undefined;
}

/** One per stream. Methods that are absent mean `continue`. */
export interface HttpFilter {
  onRequestHead?(head: RequestHead, endStream: boolean): FilterStatus;
  onRequestData?(data: Buffer, endStream: boolean): FilterDataStatus;
  onRequestTrailers?(trailers: HeaderList): FilterStatus;
  /** In reverse order of the chain. */
  onResponseHead?(head: ResponseHead, endStream: boolean): FilterStatus;
  onResponseData?(data: Buffer, endStream: boolean): FilterDataStatus;
  /** Bytes go before the trailers; the stream ends with them when the filter has emptied `trailers`. */
  onResponseTrailers?(trailers: HeaderList): FilterStatus | Buffer;
  /** The stream is over (complete or reset); `info` is final. Called once, always. */
  onComplete?(): void;
}

/** What `create` returns for a stream that the filter has nothing to do with: it costs that stream nothing more. */
export const passiveFilter: HttpFilter = {};

/** Compiled once per configuration update; `create` runs per stream and must be cheap. */
export interface HttpFilterFactory {
  create(callbacks: HttpFilterCallbacks): HttpFilter;
  close?(): void;
}

/** What a filter gets when its configuration is compiled. */
export interface FilterContext {
  readonly stats: StatsScope;
  /** HCM stat prefix, such as `inbound_0.0.0.0_9080`. */
  readonly statPrefix: string;
  /** The name that the configuration gives this filter: `typed_per_filter_config` is keyed by it. */
  readonly filterName: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** The node of this proxy as xDS sends it: id, cluster, metadata. */
  readonly node: NodeInfo;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  /** Calls to other clusters, for filters that ask someone. */
  readonly upstream: FilterUpstream;
  /** Fractions of the runtime, for what has a `runtime_key`; undefined where the key is not there. */
  readonly runtime?: (key: string) => number | undefined;
  /** Truth values of the runtime. */
  readonly runtimeFlag?: (key: string) => boolean | undefined;
  /** Where in the configuration the filter stands; the same in each thread. */
  readonly place?: string;
  /** Where the filter counts together with its like in other threads; absent when there are none. */
  readonly process?: ProcessState | undefined;
}

export interface NodeInfo {
  readonly id: string;
  readonly cluster: string;
  readonly metadata: Readonly<Record<string, unknown>>;
}

export interface HttpCallOptions {
  /** Whether `x-forwarded-for` names this machine; true. */
  readonly forwardedFor?: boolean;
}

export interface FilterUpstream {
  /** Unary gRPC call by cluster name; `path` is `/package.Service/Method`. Rejects with XebecError. `metadata`: names and values. */
  grpcUnary(cluster: string, path: string, request: Uint8Array, timeoutMs: number, metadata?: HeaderList): Promise<Uint8Array>;
  /** How many hosts a cluster has, and how many of them take requests; undefined without such a cluster. */
  clusterHealth?(cluster: string): { readonly total: number; readonly healthy: number } | undefined;
  /** False after `/healthcheck/fail`. */
  serverHealthy?(): boolean;
  /** HTTP call by cluster name. */
  http(
    cluster: string,
    head: RequestHead,
    body: Buffer,
    timeoutMs: number,
    options?: HttpCallOptions,
  ): Promise<{ head: ResponseHead; body: Buffer }>;
}

/** One folder per filter exports one of these; the registry is a plain list built in the data plane. */
export interface HttpFilterDefinition {
  /** Canonical name, such as `envoy.filters.http.rbac`. */
  readonly name: string;
  /** Type URLs of its configuration, without `type.googleapis.com/`. */
  readonly typeNames: readonly string[];
  /** Compiles the configuration; throws XebecError with the field that is wrong. `config` is the Any's bytes. */
  compile(config: Uint8Array, typeName: string, context: FilterContext): HttpFilterFactory;
  /**
   * Compiles a per-route configuration to what `perRouteConfig` then returns. `place` names where it stands among the routes, the same
   * in each thread.
   */
  compilePerRoute?(config: Uint8Array, typeName: string, place?: string): unknown;
}
