import type { ConnectionInfo, PeerCertificate, ResponseFlag, StreamInfo, UpstreamConnectionInfo, WireBytes } from './stream-info.ts';

/** The record of a stream that has just begun: nothing is known but where it came from. */
export function createStreamInfo(connection: ConnectionInfo, startTimeMs: number, startMonotonicMs: number): StreamInfo {
  return new StreamRecord(connection, startTimeMs, startMonotonicMs);
}

/** Collections come into being when they are first asked for: most requests end without one. */
class StreamRecord implements StreamInfo {
  readonly connection: ConnectionInfo;
  readonly startTimeMs: number;
  readonly startMonotonicMs: number;
  protocol = '';
  responseCode = 0;
  responseCodeDetails = '';
  connectionTerminationDetails = '';
  bytesReceived = 0;
  bytesSent = 0;
  downstreamBytes: WireBytes | undefined = undefined;
  upstreamBytes: WireBytes | undefined = undefined;
  durationMs = -1;
  requestDurationMs = -1;
  responseDurationMs = -1;
  routeName = '';
  virtualHostName = '';
  upstreamCluster = '';
  upstreamHost = '';
  upstreamLocalAddress = '';
  upstreamTransportFailureReason = '';
  upstreamPeer: PeerCertificate | undefined = undefined;
  upstreamTls = false;
  attemptCount = 0;
  upstreamServiceTimeMs = -1;
  clusterMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  routeMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  upstreamHostMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  virtualHostMetadata: Readonly<Record<string, unknown>> | undefined = undefined;
  upstreamConnection: UpstreamConnectionInfo | undefined = undefined;
  #responseFlags: Set<ResponseFlag> | undefined = undefined;
  #dynamicMetadata: Map<string, Record<string, unknown>> | undefined = undefined;
  #filterState: Map<string, unknown> | undefined = undefined;

  constructor(connection: ConnectionInfo, startTimeMs: number, startMonotonicMs: number) {
    this.connection = connection;
    this.startTimeMs = startTimeMs;
    this.startMonotonicMs = startMonotonicMs;
  }
  get upstreamProtocol(): string | undefined {
    return this.upstreamConnection?.protocolName;
  }
  get responseFlags(): Set<ResponseFlag> {
    this.#responseFlags ??= new Set();
    return this.#responseFlags;
  }
  get hasResponseFlags(): boolean {
    return this.#responseFlags !== undefined;
  }
  set responseFlags(flags: Set<ResponseFlag>) {
    this.#responseFlags = flags;
  }
  get dynamicMetadata(): Map<string, Record<string, unknown>> {
    this.#dynamicMetadata ??= new Map();
    return this.#dynamicMetadata;
  }
  get hasDynamicMetadata(): boolean {
    return this.#dynamicMetadata !== undefined;
  }
  get filterState(): Map<string, unknown> {
    this.#filterState ??= new Map();
    return this.#filterState;
  }
  get hasFilterState(): boolean {
    return this.#filterState !== undefined;
  }
}
