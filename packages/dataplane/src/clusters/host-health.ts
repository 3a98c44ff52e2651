import type { Health } from '@xebec/balancing';

/** What the control plane says of an endpoint. */
export type EdsStatus = 'unknown' | 'healthy' | 'unhealthy' | 'draining' | 'timeout' | 'degraded';

/** What active health checks found out: plain data, so that one thread can check for others. */
export interface ActiveHealth {
  /** Failed, or not checked yet. */
  failed: boolean;
  /** No check has finished yet. */
  pending: boolean;
  degraded: boolean;
  timedOut: boolean;
  /** It asked by `x-envoy-immediate-health-check-fail` to be left alone. */
  excluded: boolean;
}

export function uncheckedHealth(): ActiveHealth {
  return { failed: false, pending: false, degraded: false, timedOut: false, excluded: false };
}

/** What the balancer goes by, outlier ejection aside. */
export function combinedHealth(eds: EdsStatus, active: ActiveHealth): Health {
  if (active.failed || eds === 'unhealthy' || eds === 'draining' || eds === 'timeout') return 'unhealthy';
  return active.degraded || eds === 'degraded' ? 'degraded' : 'healthy';
}

/** The `health_flags` of `/clusters`, in Envoy's order. */
export function healthFlags(eds: EdsStatus, active: ActiveHealth, ejected: boolean, removing: boolean): string {
  const flags = [
    active.failed ? '/failed_active_hc' : '',
    ejected ? '/failed_outlier_check' : '',
    eds === 'unhealthy' || eds === 'timeout' ? '/failed_eds_health' : '',
    active.degraded ? '/degraded_active_hc' : '',
    eds === 'degraded' ? '/degraded_eds_health' : '',
    removing ? '/pending_dynamic_removal' : '',
    active.pending ? '/pending_active_hc' : '',
    active.excluded ? '/excluded_via_immediate_hc_fail' : '',
    active.timedOut ? '/active_hc_timeout' : '',
    eds === 'draining' ? '/eds_status_draining' : '',
  ].join('');
  return flags === '' ? 'healthy' : flags;
}
