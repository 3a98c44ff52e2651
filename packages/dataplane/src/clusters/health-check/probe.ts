import type { Socket } from 'node:net';
import type { EndpointAddress } from '../../net/endpoint-address.ts';

/** Envoy's `HealthCheckFailureType`. */
export type ProbeFailure = 'ACTIVE' | 'PASSIVE' | 'NETWORK' | 'NETWORK_TIMEOUT';

/**
 * `excluded`: a failed answer carried `x-envoy-immediate-health-check-fail`. `verified`: the name of the answering service was looked
 * at, right or wrong.
 */
export type ProbeResult =
  | { readonly kind: 'success'; readonly degraded: boolean; readonly excluded: boolean; readonly verified?: boolean }
  | {
      readonly kind: 'failure';
      readonly failure: ProbeFailure;
      readonly retriable: boolean;
      readonly excluded: boolean;
      readonly verified?: boolean;
    };

export const succeeded: ProbeResult = { kind: 'success', degraded: false, excluded: false };

export function failed(failure: ProbeFailure): ProbeResult {
  return { kind: 'failure', failure, retriable: false, excluded: false };
}

/** Whom a probe asks. */
export interface ProbeTarget {
  readonly address: EndpointAddress;
  /** Of the endpoint's `health_check_config`, else empty. */
  readonly hostname: string;
  readonly clusterName: string;
}

/** Opens a connection as requests to the cluster do. */
export type ProbeConnect = (
  alpn: readonly string[],
  callbacks: { connected(socket: Socket): void; failed(reason: string): void },
) => { abandon(): void };

/** One kind of check of one host; it may keep its connection between runs. */
export interface Probe {
  /** Calls `done` once with the result; a timeout is the caller's, who then calls `abort`. */
  run(done: (result: ProbeResult) => void): void;
  /** Ends what runs: `done` is not called any more. */
  abort(): void;
}
