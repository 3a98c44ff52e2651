import type { ConnectionInfo, ResponseFlag, StreamInfo } from '@xebec/telemetry';
import type { FilterContext, FilterStatus } from './http-filter.ts';

/** What a network filter may do with the connection it sits on. */
export interface NetworkFilterCallbacks {
  readonly connection: ConnectionInfo;
  /** The connection's own log record; for HTTP the connection manager keeps another per request. */
  readonly info: StreamInfo;
  /** After `stop` from `onNewConnection` or `onData`: go on with the next filter (data held so far is passed on). */
  continueReading(): void;
  /** Sends bytes to the downstream peer, past the write filters before this one. */
  write(data: Buffer, endStream: boolean): void;
  /** `flush`: after what is buffered has been written; `now`: at once. `flag` and `details` (connection termination details, unless empty) go to the access log. */
  close(how: 'flush' | 'now', details: string, flag?: ResponseFlag): void;
  /** Runs `fn` later unless the connection has ended; returns a cancel function. */
  setTimeout(fn: () => void, delayMs: number): () => void;
}

/** One per connection. Methods that are absent mean `continue`. A chain ends in a terminal filter (tcp_proxy, HTTP). */
export interface NetworkFilter {
  /** The connection is ready (TLS handshake done). `stop` holds later filters until `continueReading` or the next data. */
  onNewConnection?(): FilterStatus;
  /** Downstream bytes, in chain order. `stop`: later filters do not see them (yet); bytes: they see these in their place. */
  onData?(data: Buffer, endStream: boolean): FilterStatus | Buffer;
  /** Bytes to the downstream peer, in reverse order. `stop` holds them back. */
  onWrite?(data: Buffer, endStream: boolean): FilterStatus;
  /** The upstream of tcp_proxy has been chosen and is connected; `info` has its host and cluster. */
  onUpstreamConnected?(): void;
  /** The connection is over; `info` is final. Called once, always. */
  onClose?(): void;
}

export interface NetworkFilterFactory {
  create(callbacks: NetworkFilterCallbacks): NetworkFilter;
  close?(): void;
}

/** One folder per filter exports one of these. */
export interface NetworkFilterDefinition {
  /** Canonical name, such as `envoy.filters.network.rbac`. */
  readonly name: string;
  /** Type URLs of its configuration, without `type.googleapis.com/`. */
  readonly typeNames: readonly string[];
  /** Compiles the configuration; throws XebecError with the field that is wrong. `config` is the Any's bytes. */
  compile(config: Uint8Array, typeName: string, context: FilterContext): NetworkFilterFactory;
}

/** `filterState` key under which `sni_cluster` leaves the cluster that tcp_proxy must use instead of its own. */
export const tcpProxyClusterKey = 'envoy.tcp_proxy.cluster';

/** `filterState` key with the ALPN list (string[]) that the upstream TLS handshake must offer instead of the cluster's. */
export const upstreamAlpnKey = 'envoy.network.application_protocols';
