import type { Any } from '@bufbuild/protobuf/wkt';
import type { Metadata } from '@xebec/protos/envoy/config/core/v3/base';
import type {
  RouteAction_UpgradeConfig_ConnectConfig as ConnectConfig,
  HedgePolicy,
  InternalRedirectPolicy,
  RateLimit,
  RetryPolicy,
  Route,
  Tracing,
} from '@xebec/protos/envoy/config/route/v3/route_components';
import type { FormatContext } from '@xebec/telemetry';
import type { RequestHead, ResponseHead } from '@xebec/wire';
import type { HashPolicy } from './hash-policy.ts';
import type { PathRewrite } from './path-rewrite.ts';
import type { CompiledRedirect } from './redirect.ts';

/** The cluster of one request. */
export interface ClusterChoice {
  /** Empty when a `cluster_header` is absent from the request: there is no cluster, answer 503. */
  readonly name: string;
  /** Position in the weighted clusters; -1 otherwise. */
  readonly index: number;
  readonly metadataMatch: Metadata | undefined;
}

export interface MirrorPolicy {
  /** Undefined when the naming header is absent. */
  cluster(request: RequestHead): string | undefined;
  /** Share of requests, 0 to 1. */
  readonly fraction: number;
  readonly traceSampled: boolean;
  readonly appendShadowSuffix: boolean;
}

export type HostRewrite =
  | { readonly kind: 'auto' }
  /** Undefined leaves the host alone. */
  | { readonly kind: 'computed'; host(request: RequestHead): string | undefined };

export interface GrpcTimeoutRule {
  /** 0 is no limit. */
  readonly maxMs: number;
  readonly offsetMs: number;
}

export interface ForwardAction {
  readonly kind: 'forward';
  /** `random` in [0, 1). */
  chooseCluster(request: RequestHead, random: number): ClusterChoice;
  /** Every cluster that this route may name, except through headers: for validation. */
  readonly clusterNames: readonly string[];
  readonly clusterNotFoundStatus: number;
  /** Time for the whole response including retries, milliseconds; 0 is no limit. Envoy's default is 15,000. */
  readonly timeoutMs: number;
  /** Undefined leaves the connection manager's value; 0 is no limit. */
  readonly idleTimeoutMs: number | undefined;
  readonly maxStreamDurationMs: number | undefined;
  /** Present when `grpc-timeout` is honoured: its cap, 0 for none; and what is taken off it. */
  readonly grpcTimeout: GrpcTimeoutRule | undefined;
  /** The same, with `grpc-timeout` limiting the whole stream instead of the response. */
  readonly grpcStreamDuration: GrpcTimeoutRule | undefined;
  readonly retryPolicy: RetryPolicy | undefined;
  readonly hedgePolicy: HedgePolicy | undefined;
  readonly mirrors: readonly MirrorPolicy[];
  readonly rewritePath: PathRewrite | undefined;
  readonly hostRewrite: HostRewrite | undefined;
  readonly appendXForwardedHost: boolean;
  readonly hashPolicies: readonly HashPolicy[];
  readonly priority: 'default' | 'high';
  readonly metadataMatch: Metadata | undefined;
  /** Upgrade type in lower case to whether the route allows it. */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** How CONNECT ends here, its body going on over TCP; undefined forwards it. */
  readonly connect: ConnectConfig | undefined;
  readonly internalRedirect: InternalRedirectPolicy | undefined;
  readonly rateLimits: readonly RateLimit[];
  readonly includeVirtualHostRateLimits: boolean;
}

export interface DirectResponse {
  readonly kind: 'direct-response';
  readonly status: number;
  readonly body: Buffer;
  /** The `location` of a 201 or 3xx. */
  readonly location: ((request: RequestHead) => string) | undefined;
}

/** For listeners that end requests themselves (gRPC servers): a data plane answers 404. */
export interface NonForwarding {
  readonly kind: 'non-forwarding';
}

export type CompiledAction = ForwardAction | CompiledRedirect | DirectResponse | NonForwarding;

export interface CompiledVirtualHost {
  readonly name: string;
  readonly domains: readonly string[];
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly includeRequestAttemptCount: boolean;
  readonly includeAttemptCountInResponse: boolean;
  readonly includeIsTimeoutRetryHeader: boolean;
  readonly rateLimits: readonly RateLimit[];
  /** Which requests are counted apart, in order. */
  readonly virtualClusters: readonly { readonly name: string; matches(request: RequestHead): boolean }[];
  readonly routes: readonly CompiledRoute[];
}

export interface CompiledRoute {
  readonly name: string;
  readonly virtualHost: CompiledVirtualHost;
  readonly proto: Route;
  readonly action: CompiledAction;
  /** `filter_metadata`. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly decoratorOperation: string;
  readonly decoratorPropagate: boolean;
  readonly tracing: Tracing | undefined;
  readonly bufferLimitBytes: number | undefined;
  /**
   * The most specific compiled `typed_per_filter_config` for a filter: weighted cluster (when `choice` is given), route, virtual
   * host, route configuration.
   */
  filterConfig(filterName: string, choice?: ClusterChoice): unknown;
  /** All levels that have one, the least specific first. */
  filterConfigs(filterName: string, choice?: ClusterChoice): readonly unknown[];
  /** Whether the most specific level that speaks of it disables (true) or enables (false) the filter; undefined when none does. */
  filterDisabled(filterName: string, choice?: ClusterChoice): boolean | undefined;
  /** Header operations of all levels, then host and path rewrites with `x-envoy-original-path` and `x-forwarded-host`. */
  finalizeRequest(request: RequestHead, choice: ClusterChoice | undefined, context: FormatContext): void;
  /** Header operations of all levels. */
  finalizeResponse(response: ResponseHead, choice: ClusterChoice | undefined, context: FormatContext): void;
}

/** Turns a filter's per-route Any into what `filterConfig` returns; the data plane knows the filters. */
export type CompileFilterConfig = (filterName: string, config: Any) => unknown;
