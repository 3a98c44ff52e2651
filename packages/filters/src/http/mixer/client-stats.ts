import type { Counter, StatsScope } from '@xebec/telemetry';

const names = [
  'total_check_calls',
  'total_check_cache_hits',
  'total_check_cache_hit_accepts',
  'total_check_cache_hit_denies',
  'total_check_cache_misses',
  'total_remote_calls',
  'total_remote_call_successes',
  'total_remote_call_timeouts',
  'total_remote_call_send_errors',
  'total_remote_call_other_errors',
  'total_remote_call_retries',
  'total_remote_check_calls',
  'total_remote_check_accepts',
  'total_remote_check_denies',
  'total_remote_check_failures',
  'total_remote_check_skipped',
  'total_quota_calls',
  'total_quota_cache_hits',
  'total_quota_cache_misses',
  'total_remote_quota_calls',
  'total_remote_quota_accepts',
  'total_remote_quota_denies',
  'total_report_calls',
  'total_reports_dropped',
  'total_remote_report_calls',
  'total_remote_report_successes',
  'total_remote_report_timeouts',
  'total_remote_report_send_errors',
  'total_remote_report_other_errors',
] as const;

/** What the client counts: release 1.4's names, and three of our own (`failures`, `skipped`, `dropped`). */
export type ClientStats = Readonly<Record<(typeof names)[number], Counter>>;

export function clientStats(scope: StatsScope): ClientStats {
  return Object.fromEntries(names.map((name) => [name, scope.counter(name)])) as ClientStats; // One counter for each name.
}
