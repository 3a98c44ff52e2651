import type { ConnectionInfo, StreamInfo } from './stream-info.ts';

/** The record of a stream that has just begun: nothing is known but where it came from. */
export function createStreamInfo(connection: ConnectionInfo, startTimeMs: number, startMonotonicMs: number): StreamInfo {
  return {
    connection,
    startTimeMs,
    startMonotonicMs,
    protocol: '',
    responseCode: 0,
    responseCodeDetails: '',
    responseFlags: new Set(),
    connectionTerminationDetails: '',
    bytesReceived: 0,
    bytesSent: 0,
    durationMs: -1,
    requestDurationMs: -1,
    responseDurationMs: -1,
    routeName: '',
    virtualHostName: '',
    upstreamCluster: '',
    upstreamHost: '',
    upstreamLocalAddress: '',
    upstreamTransportFailureReason: '',
    upstreamPeer: undefined,
    upstreamTls: false,
    attemptCount: 0,
    upstreamServiceTimeMs: -1,
    dynamicMetadata: new Map(),
    filterState: new Map(),
  };
}
