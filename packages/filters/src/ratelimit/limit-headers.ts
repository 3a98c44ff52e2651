import type { HeaderList } from '@xebec/wire';

/** The state of one limit that a request counted against. */
export interface LimitState {
  readonly requestsPerUnit: number;
  /** Seconds; 0 when the service did not say. */
  readonly windowSeconds: number;
  readonly name: string;
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** `x-ratelimit-*` of draft-polli-ratelimit-headers-03: the limit with least left, and all limits as its policy. */
export function limitHeaders(states: readonly LimitState[]): HeaderList {
  let least: LimitState | undefined;
  let policy = '';
  for (const state of states) {
    if (least === undefined || state.remaining < least.remaining) least = state;
    if (state.windowSeconds === 0) continue;
    policy += `, ${state.requestsPerUnit};w=${state.windowSeconds}`;
    if (state.name !== '') policy += `;name="${state.name}"`;
  }
  if (least === undefined) return [];
  return [
    'x-ratelimit-limit',
    `${least.requestsPerUnit}${policy}`,
    'x-ratelimit-remaining',
    String(least.remaining),
    'x-ratelimit-reset',
    String(least.resetSeconds),
  ];
}
