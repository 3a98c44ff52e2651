import type { Clock } from '@xebec/core';
import { goDurationMs } from './go-duration.ts';

/** How long a proxy that was told to end goes on serving what it has. */
export interface DrainPolicy {
  /** At least so long, whatever is connected. */
  readonly minMs: number;
  /** At most so long; undefined waits for the last connection. */
  readonly maxMs: number | undefined;
}

const defaultMs = 5000;
const pollMs = 50;

/**
 * Reads pilot-agent's environment: `TERMINATION_DRAIN_DURATION_SECONDS` (5) ends the wait, or with
 * `EXIT_ON_ZERO_ACTIVE_CONNECTIONS=true` the last connection does, but not before `MINIMUM_DRAIN_DURATION` (5s).
 */
export function drainPolicy(env: Readonly<Record<string, string | undefined>>): DrainPolicy {
  if (env['EXIT_ON_ZERO_ACTIVE_CONNECTIONS'] === 'true') {
    return { minMs: goDurationMs(env['MINIMUM_DRAIN_DURATION'], 'MINIMUM_DRAIN_DURATION') ?? defaultMs, maxMs: undefined };
  }
  const seconds = Number(env['TERMINATION_DRAIN_DURATION_SECONDS'] ?? '5');
  return { minMs: 0, maxMs: Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : defaultMs };
}

/** Resolves when the policy lets the proxy end. */
export async function drained(policy: DrainPolicy, activeConnections: () => number, clock: Clock): Promise<void> {
  const startedAt = clock.monotonic();
  for (;;) {
    const elapsed = clock.monotonic() - startedAt;
    if (policy.maxMs !== undefined && elapsed >= policy.maxMs) return;
    if (elapsed >= policy.minMs && activeConnections() === 0) return;
    await new Promise<void>((resolve) => void clock.setTimeout(resolve, pollMs));
  }
}
