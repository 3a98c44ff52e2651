/** Envoy's response flags in their short form, as access logs print them. */
export type ResponseFlag =
  | 'NR'
  | 'NC'
  | 'UH'
  | 'UF'
  | 'UO'
  | 'UC'
  | 'UR'
  | 'LR'
  | 'LH'
  | 'UT'
  | 'UMSDR'
  | 'URX'
  | 'DC'
  | 'DR'
  | 'SI'
  | 'DT'
  | 'DI'
  | 'FI'
  | 'RL'
  | 'RLSE'
  | 'UAEX'
  | 'IH'
  | 'DPE'
  | 'UPE'
  | 'DO'
  | 'UDO'
  | 'OM'
  | 'DF'
  | 'NFCF';

export interface PeerCertificate {
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans?: readonly string[];
  readonly emailSans?: readonly string[];
  readonly subject: string;
  /** SHA-256 of the DER, hex. */
  readonly sha256: string;
  readonly pem: string;
  readonly issuer?: string;
  readonly serial?: string;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

/** The downstream connection, as filters, matchers and logs see it. */
export interface ConnectionInfo {
  readonly id: number;
  /** `address:port` of the peer, after PROXY protocol. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The peer itself, before x-forwarded-for or PROXY protocol changed `remoteAddress`; absent when they are the same. */
  readonly directRemoteAddress?: string;
  readonly directRemotePort?: number;
  /** Type-length-values of a PROXY protocol header in front of the connection. */
  readonly proxyTlvs?: readonly { readonly type: number; readonly value: Buffer }[];
  /** Where the client wanted to go: the original destination under REDIRECT. */
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls?: {
    readonly version: string;
    readonly cipher: string;
    readonly alpn: string;
    readonly peer?: PeerCertificate;
    /** URI SAN of the certificate presented to the peer. */
    readonly localUriSan?: string;
    readonly localCertificate?: PeerCertificate;
    /** All certificates that the peer sent, in PEM, its own first. */
    readonly peerChain?: () => string;
  };
  /** SNI from the inspector or the handshake; empty when none. */
  readonly requestedServerName: string;
  readonly listenerName: string;
  readonly filterChainName: string;
  readonly direction: 'inbound' | 'outbound' | 'unspecified';
  /** `filter_metadata` of the listener and of the filter chain. */
  readonly listenerMetadata?: Readonly<Record<string, unknown>> | undefined;
  readonly filterChainMetadata?: Readonly<Record<string, unknown>> | undefined;
}

/** What an exchange takes on the wire, both heads and bodies: see `ByteMeter` of the codecs, which keep count. */
export interface WireBytes {
  readonly wireBytesReceived: number;
  readonly wireBytesSent: number;
  readonly headerBytesReceived: number;
  readonly headerBytesSent: number;
  readonly decompressedHeaderBytesReceived: number;
  readonly decompressedHeaderBytesSent: number;
}

/** Everything known of one request (or TCP connection): filled as it goes, read by logs, stats, traces and filters. */
export interface StreamInfo {
  readonly connection: ConnectionInfo;
  /** Milliseconds since the epoch. */
  readonly startTimeMs: number;
  /** Monotonic milliseconds; `durationMs` values are differences to it. */
  readonly startMonotonicMs: number;
  protocol: string;
  responseCode: number;
  responseCodeDetails: string;
  responseFlags: Set<ResponseFlag>;
  connectionTerminationDetails: string;
  /** Of bodies alone. */
  bytesReceived: number;
  bytesSent: number;
  /** Absent where nothing was exchanged. The upstream's is of all tries together. */
  downstreamBytes: WireBytes | undefined;
  upstreamBytes: WireBytes | undefined;
  /** Milliseconds from start to the end of the stream; -1 while it runs. */
  durationMs: number;
  requestDurationMs: number;
  responseDurationMs: number;
  routeName: string;
  virtualHostName: string;
  upstreamCluster: string;
  /** `address:port`. */
  upstreamHost: string;
  upstreamLocalAddress: string;
  upstreamTransportFailureReason: string;
  upstreamPeer: PeerCertificate | undefined;
  upstreamTls: boolean;
  attemptCount: number;
  /** Time from the request's last byte upstream to the response's first, milliseconds; -1 when there was none. */
  upstreamServiceTimeMs: number;
  /** Filter metadata by filter name: `dynamicMetadata.get('envoy.filters.http.rbac')`. */
  readonly dynamicMetadata: Map<string, Record<string, unknown>>;
  /** Objects filters hand to each other and to logs. */
  readonly filterState: Map<string, unknown>;
  /** False where nothing has asked for `filterState` yet, so that nothing can be in it. */
  readonly hasFilterState?: boolean;
  /** False where nothing has asked for `responseFlags` yet: there are none. */
  readonly hasResponseFlags?: boolean;
  /** False where nothing has asked for `dynamicMetadata` yet: there is none. */
  readonly hasDynamicMetadata?: boolean;
  /** `filter_metadata` of the chosen cluster, route and upstream host. */
  clusterMetadata?: Readonly<Record<string, unknown>> | undefined;
  routeMetadata?: Readonly<Record<string, unknown>> | undefined;
  upstreamHostMetadata?: Readonly<Record<string, unknown>> | undefined;
  virtualHostMetadata?: Readonly<Record<string, unknown>> | undefined;
  /** The virtual cluster that the request matched; empty or absent when none. */
  virtualClusterName?: string;
  /** `alt_stat_name` of the cluster where it has one. */
  upstreamClusterStatName?: string;
  /** `hostname` of the endpoint where it has one. */
  upstreamHostName?: string;
  /** The protocol spoken to the upstream: that of its connection. */
  readonly upstreamProtocol?: string | undefined;
  /** Hosts that a TCP proxy tried, in order; absent for HTTP, where the last try counts. */
  attemptedHosts?: readonly { readonly address: string; readonly name: string }[];
  /** Why this side closed the downstream connection, in Envoy's words. */
  localCloseReason?: string;
  /** Asked only when something is to be written of it. */
  upstreamConnection?: UpstreamConnectionInfo | undefined;
}

/** The connection that the last try went over. */
export interface UpstreamConnectionInfo {
  readonly id: number;
  /** The certificate that is shown to the upstream. */
  readonly localCertificate?: PeerCertificate | undefined;
  /** `HTTP/1.1`, `HTTP/2`; empty for TCP. */
  readonly protocolName: string;
  readonly tlsDetails:
    | { readonly version: string; readonly cipher: string; readonly serverName: string; readonly sessionId: string }
    | undefined;
}
