import type { Certificates } from './certificates.ts';

export type Json = Record<string, unknown>;

/** Name and value, in the order and the case to be written or as they were read. */
export type Field = readonly [name: string, value: string];

/** What an upstream answers. The default is 200 with `content-type: text/plain` and the request line as body. */
export interface Reply {
  readonly status?: number;
  readonly headers?: readonly Field[];
  readonly body?: string | Buffer;
  /** HTTP/1: the body in chunks even though its length is known. Implied by `trailers`. */
  readonly chunked?: boolean;
  readonly trailers?: readonly Field[];
  /** HTTP/1: sent as it is, instead of a response made of the fields above. */
  readonly raw?: string;
  /** Answers written before this one, such as 100 or 103. */
  readonly informational?: readonly { readonly status: number; readonly headers?: readonly Field[] }[];
  /** Waits before the head. */
  readonly delayMs?: number;
  /** Waits between the head and the body, and again between the body and its end if `bodyParts` is more than one. */
  readonly bodyDelayMs?: number;
  /** Writes the body in so many parts. 1. */
  readonly bodyParts?: number;
  /** Instead of an answer: close (FIN), reset (RST; for HTTP/2 RST_STREAM with `errorCode`), hang, or GOAWAY and close. */
  readonly instead?: 'close' | 'reset' | 'hang' | 'goaway';
  /** After the head and body that were given, and before the end of the message: close or reset. */
  readonly cut?: 'close' | 'reset' | 'hang';
  /** Answer before the request's body has come (HTTP/1 only). */
  readonly early?: boolean;
  /** After a complete answer close the connection. */
  readonly thenClose?: boolean;
  /** Of RST_STREAM. 8, CANCEL. */
  readonly errorCode?: number;
  /** After a 101 or a 2xx to CONNECT the upstream echoes in capitals. Set for replies that switch protocols. */
  readonly tunnel?: boolean;
}

/** What an upstream saw. Header names keep their order and, for HTTP/1, their case. */
export interface Seen {
  readonly upstream: string;
  /** `GET / HTTP/1.1`, or `GET / HTTP/2`. */
  readonly line: string;
  readonly headers: readonly Field[];
  /** The body, or for a long one its length and a checksum. */
  readonly body: string;
  readonly trailers: readonly Field[];
  /** How the request's body ended if not properly. */
  readonly cut?: string;
  /** Which of the upstream's connections it came on, numbered from 1 in each case. Only where the family wants it. */
  readonly connection?: number;
}

interface Sent {
  /** The listener's name, as it was given to `site.port`. `http`. */
  readonly to?: string;
  /** Connect from this loopback address. */
  readonly from?: string;
  readonly tls?: { readonly servername?: string; readonly alpn?: readonly string[]; readonly clientCertificate?: boolean };
  /** Written before everything else, a PROXY header for example. */
  readonly preamble?: string | Buffer;
}

/** One or several HTTP/1 requests on one connection. */
export interface Http1Exchange extends Sent {
  readonly kind?: 'http1';
  readonly method?: string;
  /** `/`. */
  readonly path?: string;
  /** `app.example`; null sends none. */
  readonly host?: string | null;
  readonly headers?: readonly Field[];
  /** A string is sent with content-length; with several parts, or with `trailers`, in chunks. */
  readonly body?: string | Buffer | readonly string[];
  readonly trailers?: readonly Field[];
  readonly version?: string;
  /** Exactly these bytes instead; parts are written 30 ms apart. The fields above are ignored but for `method`, by which the answer is read. */
  readonly raw?: string | readonly string[];
  /** Final responses to wait for, or methods of pipelined requests. 1. */
  readonly responses?: number | readonly string[];
  /** After the request: half-close, or destroy the connection after so many milliseconds. */
  readonly halfClose?: boolean;
  readonly abortAfterMs?: number;
  /** After the final head has come, sent into the tunnel; so many bytes are then awaited. */
  readonly tunnel?: string;
  /** Keeps reading so long after the last response to see whether the connection is closed. 10, or 20 after `connection: close`. */
  readonly lingerMs?: number;
  /** Gives up waiting for a response. 3000. */
  readonly timeoutMs?: number;
}

/** A request on an HTTP/2 connection of its own, without TLS unless asked for. */
export interface Http2Exchange extends Sent {
  readonly kind: 'http2';
  readonly method?: string;
  readonly path?: string;
  readonly scheme?: string;
  readonly authority?: string;
  readonly headers?: readonly Field[];
  /** Exactly this list instead of pseudo-headers and `headers`. */
  readonly rawHeaders?: readonly Field[];
  /** Further header lists on the same connection, as streams 3, 5, … */
  readonly more?: readonly (readonly Field[])[];
  readonly body?: string | Buffer | readonly string[];
  readonly trailers?: readonly Field[];
  /** Leaves the request open after the body. */
  readonly open?: boolean;
  /** Frames written after the request: header and payload as given. */
  readonly frames?: readonly { readonly type: number; readonly flags?: number; readonly stream?: number; readonly payload?: Buffer }[];
  /** RST_STREAM by the client so long after the request. */
  readonly resetAfterMs?: number;
  /** Sent into the tunnel after a final head; as many bytes are awaited, then the stream is ended. */
  readonly tunnel?: string;
  readonly timeoutMs?: number;
  readonly lingerMs?: number;
}

/** Bytes, half-close unless `open`, and all that comes back. */
export interface TcpExchange extends Sent {
  readonly kind: 'tcp';
  readonly send?: string | Buffer;
  readonly open?: boolean;
  readonly timeoutMs?: number;
}

/** Asks the admin server. */
export interface AdminExchange {
  readonly kind: 'admin';
  readonly path: string;
  readonly method?: string;
  /** Picks what is to be compared. Else status, content-type and text. */
  readonly select?: (text: string) => unknown;
}

export interface PauseExchange {
  readonly kind: 'pause';
  readonly ms: number;
}

export type Exchange = Http1Exchange | Http2Exchange | TcpExchange | AdminExchange | PauseExchange;

/** What a client saw of one response. */
export interface Answer {
  /** `HTTP/1.1 200 OK`, or `200` for HTTP/2. */
  readonly status: string;
  readonly headers: readonly Field[];
  readonly body: string;
  readonly trailers: readonly Field[];
  /** 1xx that came before. */
  readonly informational?: readonly { readonly status: string; readonly headers: readonly Field[] }[];
  /** How the stream or connection ended if not properly. */
  readonly cut?: string;
}

/** What the comparison may be told of one case. */
export interface Comparison {
  /** Compares the order of header fields too. Without it they are sorted by name; several values of one name keep their order. */
  readonly ordered?: boolean;
  /** Number of access-log lines to wait for; by default one for each HTTP/1, HTTP/2 and TCP exchange. */
  readonly logs?: number;
  /** Field names, in lower case, that are left out everywhere. */
  readonly ignoreHeaders?: readonly string[];
  /** Log keys that are left out. */
  readonly ignoreLog?: readonly string[];
  /** Leaves out what upstreams saw (for example where it is a race). */
  readonly ignoreSeen?: boolean;
  /** Sorts what upstreams saw and the log lines, where the order of arrival is not fixed. */
  readonly unordered?: boolean;
}

/** One observation: exchanges in order, all compared at once. */
export interface DifferentialCase extends Comparison {
  /** Unique in its family. */
  readonly name: string;
  readonly does: Exchange | readonly Exchange[];
  /** Replies in the order in which requests reach any upstream; the last one stays. By upstream's name where it matters. */
  readonly replies?: Reply | readonly Reply[] | Readonly<Record<string, Reply | readonly Reply[]>>;
  /** Instead of `does`: anything else; what it returns is masked and compared. Then `does` is `[]`. */
  readonly run?: (proxy: ProxyUnderTest) => Promise<unknown>;
}

/** For cases that do things by themselves. */
export interface ProxyUnderTest {
  readonly name: 'envoy' | 'xebec';
  readonly site: Site;
  readonly adminPort: number;
  exchange(what: Exchange): Promise<unknown>;
  /** Sets the upstreams' replies as `replies` of a case does. */
  reply(replies: NonNullable<DifferentialCase['replies']>): void;
  /** What upstreams saw since the last call. */
  takeSeen(): readonly Seen[];
  /** Log lines that have come since the last call, after waiting for so many. */
  takeLog(atLeast: number): Promise<readonly Json[]>;
}

/** What a proxy's configuration is written for. One for each proxy; upstreams and peers are the same for both. */
export interface Site {
  /** A free port for a listener, the same for the same name. Cases name listeners by it. */
  port(listener: string): number;
  /** The port of an upstream or peer. */
  upstream(name: string): number;
  /** A port that refuses connections. */
  readonly deadPort: number;
  /** Where both the configuration and files that it names may be written; differs between proxies. */
  readonly directory: string;
  /** The file that `accessLog` of configuration.ts writes to. */
  readonly logFile: string;
  /** A test CA with server and client certificates (files in PEM). */
  readonly certificates: Certificates;
}

export interface KnownDifference {
  /** One sentence for the reader of docs/reference/envoy-differences.md. */
  readonly why: string;
  /** Dotted paths into the observation with both values as the suite prints them. All that differs must stand here. */
  readonly differs: Readonly<Record<string, readonly [envoy: unknown, xebec: unknown]>>;
}

export type UpstreamKind = 'http1' | 'http2' | 'tcp' | 'https1' | 'https2';

/** A peer that a family starts itself, such as an authorizer. */
export interface Peer {
  readonly port: number;
  close(): Promise<void> | void;
}

export interface DifferentialFamily {
  /** Also the file's name. */
  readonly name: string;
  /** One line for the reader: what is compared. */
  readonly about: string;
  /** Bootstrap without `admin`: static_resources and whatever else the family needs. */
  bootstrap(site: Site): Json;
  /** Upstreams by name. Without it: `a`, `b`, `c`, `d` (http1), `h2` (http2), `tcp`. */
  readonly upstreams?: Readonly<Record<string, UpstreamKind>>;
  /** Records which connection each request came on (HTTP/1 upstreams). */
  readonly connections?: boolean;
  /** Started before the proxies; `site.upstream(name)` gives their ports. Return fresh ones; both proxies use them in turn. */
  readonly peers?: Readonly<Record<string, (certificates: Certificates) => Promise<Peer>>>;
  readonly cases: readonly DifferentialCase[];
  /** Stats to compare after all cases, by exact name; they count as one observation. */
  readonly stats?: readonly string[];
  /** By the name of the case (`stats` for the stats). */
  readonly known?: Readonly<Record<string, KnownDifference>>;
  /** Mostly waits, for many seconds: begun before the others, which fill the time. */
  readonly waits?: boolean;
  /** More arguments for both proxies. */
  readonly args?: readonly string[];
}
