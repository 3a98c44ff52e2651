import type { ResponseFlag } from './stream-info.ts';

/** Long names in the order in which Envoy prints flags of one request (envoy/stream_info: core response flags). */
export const responseFlagNames: ReadonlyMap<ResponseFlag, string> = new Map<ResponseFlag, string>([
  ['LH', 'FailedLocalHealthCheck'],
  ['UH', 'NoHealthyUpstream'],
  ['UT', 'UpstreamRequestTimeout'],
  ['LR', 'LocalReset'],
  ['UR', 'UpstreamRemoteReset'],
  ['UF', 'UpstreamConnectionFailure'],
  ['UC', 'UpstreamConnectionTermination'],
  ['UO', 'UpstreamOverflow'],
  ['NR', 'NoRouteFound'],
  ['DI', 'DelayInjected'],
  ['FI', 'FaultInjected'],
  ['RL', 'RateLimited'],
  ['UAEX', 'UnauthorizedExternalService'],
  ['RLSE', 'RateLimitServiceError'],
  ['DC', 'DownstreamConnectionTermination'],
  ['URX', 'UpstreamRetryLimitExceeded'],
  ['SI', 'StreamIdleTimeout'],
  ['IH', 'InvalidEnvoyRequestHeaders'],
  ['DPE', 'DownstreamProtocolError'],
  ['UMSDR', 'UpstreamMaxStreamDurationReached'],
  ['NFCF', 'NoFilterConfigFound'],
  ['DT', 'DurationTimeout'],
  ['UPE', 'UpstreamProtocolError'],
  ['NC', 'NoClusterFound'],
  ['OM', 'OverloadManagerTerminated'],
  ['DF', 'DnsResolutionFailed'],
  ['DO', 'DropOverload'],
  ['DR', 'DownstreamRemoteReset'],
  ['UDO', 'UnconditionalDropOverload'],
]);

/** `UF,URX`, or `-` when nothing went wrong. */
export function responseFlagsText(flags: ReadonlySet<ResponseFlag>): string {
  if (flags.size === 0) return '-';
  if (flags.size === 1) return [...flags][0] ?? '-';
  // As they were set, one after another.
  return [...flags].join(',');
}

export function responseFlagsLongText(flags: ReadonlySet<ResponseFlag>): string {
  const found: string[] = [];
  for (const [flag, name] of responseFlagNames) if (flags.has(flag)) found.push(name);
  return found.length === 0 ? '-' : found.join(',');
}
