import type { CompiledRoute, ForwardAction } from '@xebec/matching';
import { header, type RequestHead, removeHeader, setHeader } from '@xebec/wire';
import type { Cluster } from '../clusters/cluster.ts';
import { AnswerStats } from './answer-stats.ts';
import type { HttpStream } from './http-stream.ts';
import { requestHash } from './request-hash.ts';
import { hasEnvoyHeaders, removeRouterHeaders } from './request-headers.ts';
import { announceTimeout, expectedTimeoutMs, requestTimeoutMs } from './request-timeout.ts';
import { Retries } from './retries.ts';
import { asksForHedging, requestRules, retryRules } from './retry-policy.ts';
import { virtualClusterOf } from './route-stats.ts';
import { overloadReply } from './upstream-failure.ts';

/** A request that has a cluster to go to, and what was decided for it before its first try. */
export interface RoutedRequest {
  readonly head: RequestHead;
  readonly cluster: Cluster;
  readonly answers: AnswerStats;
  readonly retries: Retries;
  /** Of the whole request; 0 is no limit. */
  readonly timeoutMs: number;
  readonly hedges: boolean;
  readonly hash: bigint | undefined;
  readonly setCookie: string | undefined;
}

/** Decides all that is decided once, and makes the head what the upstream gets; undefined when the request has been answered. */
export function routeRequest(
  stream: HttpStream,
  route: CompiledRoute,
  action: ForwardAction,
  head: RequestHead,
): RoutedRequest | undefined {
  const { info, settings } = stream;
  const choice = stream.clusterChoice(action);
  const cluster = choice.name === '' ? undefined : stream.clusters.get(choice.name);
  if (cluster === undefined) {
    settings.stats.noCluster.add(1);
    stream.sendLocalReply({ status: action.clusterNotFoundStatus, body: '', details: 'cluster_not_found', flag: 'NC' });
    return undefined;
  }
  info.upstreamCluster = choice.name;
  info.attemptCount = 1;
  info.clusterMetadata = cluster.config.metadata;
  const virtualCluster = virtualClusterOf(route, head);
  if (virtualCluster !== undefined && virtualCluster !== 'other') info.virtualClusterName = virtualCluster;
  if (cluster.config.statName !== cluster.config.name) info.upstreamClusterStatName = cluster.config.statName;
  const answers = new AnswerStats(cluster.stats, settings, route, virtualCluster, head);
  const dropped = cluster.dropsOverload();
  if (dropped !== undefined) {
    answers.answered(503, undefined);
    stream.sendLocalReply(overloadReply(dropped, settings.suppressEnvoyHeaders));
    return undefined;
  }
  const asks = hasEnvoyHeaders(head.headers);
  const rules = asks ? retryRules(action.retryPolicy, head) : requestRules(action.retryPolicy, head);
  const timeoutMs = requestTimeoutMs(action, head, asks);
  const hedges = action.hedgePolicy?.hedgeOnPerTryTimeout === true || (asks && asksForHedging(head.headers));
  if (asks) removeRouterHeaders(head.headers);
  const expectedMs = expectedTimeoutMs(timeoutMs, hedges ? 0 : rules.perTryTimeoutMs, 0);
  announceTimeout(head, action, expectedMs, true, settings.suppressEnvoyHeaders);
  const originalPath = settings.suppressEnvoyHeaders ? header(head.headers, 'x-envoy-original-path') : undefined;
  route.finalizeRequest(head, choice, stream.formatContext);
  if (settings.suppressEnvoyHeaders) {
    if (originalPath === undefined) removeHeader(head.headers, 'x-envoy-original-path');
    else setHeader(head.headers, 'x-envoy-original-path', originalPath);
  }
  // Of the request as it goes on, as Envoy does it.
  const hashed =
    action.hashPolicies.length > 0 && cluster.usesHash ? requestHash(action.hashPolicies, head, info, stream.random) : undefined;
  stream.trace?.inject();
  if (route.virtualHost.includeRequestAttemptCount) setHeader(head.headers, 'x-envoy-attempt-count', '1');
  const limits = action.priority === 'high' ? cluster.highLimits : cluster.limits;
  return {
    head,
    cluster,
    answers,
    retries: new Retries(rules, stream, cluster.stats, limits, answers),
    timeoutMs,
    hedges,
    hash: hashed?.hash,
    setCookie: hashed?.setCookie,
  };
}
