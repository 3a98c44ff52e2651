/** Envoy's names and defaults; an enforcing percentage of 0 detects without ejecting. */
export interface OutlierOptions {
  readonly consecutive5xx?: number | undefined;
  readonly enforcingConsecutive5xx?: number | undefined;
  readonly consecutiveGatewayFailure?: number | undefined;
  readonly enforcingConsecutiveGatewayFailure?: number | undefined;
  readonly consecutiveLocalOriginFailure?: number | undefined;
  readonly enforcingConsecutiveLocalOriginFailure?: number | undefined;
  readonly splitExternalLocalOriginErrors?: boolean | undefined;
  readonly enforcingSuccessRate?: number | undefined;
  readonly enforcingLocalOriginSuccessRate?: number | undefined;
  readonly successRateMinimumHosts?: number | undefined;
  readonly successRateRequestVolume?: number | undefined;
  readonly successRateStdevFactor?: number | undefined;
  readonly failurePercentageThreshold?: number | undefined;
  readonly enforcingFailurePercentage?: number | undefined;
  readonly enforcingFailurePercentageLocalOrigin?: number | undefined;
  readonly failurePercentageMinimumHosts?: number | undefined;
  readonly failurePercentageRequestVolume?: number | undefined;
  readonly intervalMs?: number | undefined;
  readonly baseEjectionTimeMs?: number | undefined;
  readonly maxEjectionTimeMs?: number | undefined;
  readonly maxEjectionTimeJitterMs?: number | undefined;
  readonly maxEjectionPercent?: number | undefined;
  /** One host may go however small the percentage and the cluster. */
  readonly alwaysEjectOneHost?: boolean | undefined;
  /** Statuses that count instead of 5xx. */
  readonly isError?: ((status: number) => boolean) | undefined;
}

export type ResolvedOutlierOptions = { readonly [Name in keyof OutlierOptions]-?: NonNullable<OutlierOptions[Name]> };

export function resolveOutlierOptions(options: OutlierOptions): ResolvedOutlierOptions {
  const base = options.baseEjectionTimeMs ?? 30_000;
  return {
    consecutive5xx: options.consecutive5xx ?? 5,
    enforcingConsecutive5xx: options.enforcingConsecutive5xx ?? 100,
    consecutiveGatewayFailure: options.consecutiveGatewayFailure ?? 5,
    enforcingConsecutiveGatewayFailure: options.enforcingConsecutiveGatewayFailure ?? 0,
    consecutiveLocalOriginFailure: options.consecutiveLocalOriginFailure ?? 5,
    enforcingConsecutiveLocalOriginFailure: options.enforcingConsecutiveLocalOriginFailure ?? 100,
    splitExternalLocalOriginErrors: options.splitExternalLocalOriginErrors ?? false,
    enforcingSuccessRate: options.enforcingSuccessRate ?? 100,
    enforcingLocalOriginSuccessRate: options.enforcingLocalOriginSuccessRate ?? 100,
    successRateMinimumHosts: options.successRateMinimumHosts ?? 5,
    successRateRequestVolume: options.successRateRequestVolume ?? 100,
    successRateStdevFactor: options.successRateStdevFactor ?? 1900,
    failurePercentageThreshold: options.failurePercentageThreshold ?? 85,
    enforcingFailurePercentage: options.enforcingFailurePercentage ?? 0,
    enforcingFailurePercentageLocalOrigin: options.enforcingFailurePercentageLocalOrigin ?? 0,
    failurePercentageMinimumHosts: options.failurePercentageMinimumHosts ?? 5,
    failurePercentageRequestVolume: options.failurePercentageRequestVolume ?? 50,
    intervalMs: options.intervalMs ?? 10_000,
    baseEjectionTimeMs: base,
    maxEjectionTimeMs: options.maxEjectionTimeMs ?? Math.max(300_000, base),
    maxEjectionTimeJitterMs: options.maxEjectionTimeJitterMs ?? 0,
    maxEjectionPercent: options.maxEjectionPercent ?? 10,
    alwaysEjectOneHost: options.alwaysEjectOneHost ?? false,
    isError: options.isError ?? ((status) => status >= 500),
  };
}
