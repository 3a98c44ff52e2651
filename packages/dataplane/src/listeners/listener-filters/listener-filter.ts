import type { StatsScope } from '@xebec/telemetry';
import type { ProxyTlv } from '@xebec/wire';

/** What listener filters have found out about a connection; each adds to it. */
export interface Findings {
  /** Empty: nobody looked. */
  transportProtocol: '' | 'tls' | 'raw_buffer';
  /** Lower case; empty without SNI. */
  serverName: string;
  applicationProtocols: readonly string[];
  /** Ends of the connection as a proxy before this one saw them. */
  proxied:
    | {
        readonly sourceAddress: string;
        readonly sourcePort: number;
        readonly destinationAddress: string;
        readonly destinationPort: number;
      }
    | undefined;
  /** What came with those addresses. */
  proxyTlvs: readonly ProxyTlv[];
  /** Dynamic metadata by namespace. */
  readonly metadata: Map<string, Record<string, unknown>>;
}

/**
 * `need-more`: call again with more bytes. `close`: the connection is refused. A number: this many bytes were for this filter alone
 * and the next one starts behind them.
 */
export type ListenerFilterResult = 'need-more' | 'close' | number;

/** One listener filter that looks at a connection's first bytes. Keeps nothing per connection. */
export interface ListenerFilter {
  inspect(bytes: Buffer, findings: Findings): ListenerFilterResult;
}

/** Compiles the configuration of one listener filter. */
export type ListenerFilterCompiler = (config: Uint8Array | undefined, stats: StatsScope, where: string) => ListenerFilter;
