import type { HeaderList, HttpVersion } from '@xebec/wire';

/** What the thread that runs a user's file is started with. */
export interface HostStart {
  /** Absolute path of the user's file. */
  readonly path: string;
  /** URL of what `import '@xebec/filter'` stands for, wherever the file lies. */
  readonly filterModule: string;
}

export type Phase = 'request' | 'request-body' | 'response' | 'response-body';

/** Which functions a file has. */
export interface Hooks {
  readonly request: boolean;
  readonly requestBody: boolean;
  readonly response: boolean;
  readonly responseBody: boolean;
}

export interface RequestFields {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly scheme: string;
  readonly version: HttpVersion;
  readonly headers: HeaderList;
}

/** What a stream is when its first call is made. */
export interface StreamFields {
  readonly route:
    | { readonly name: string; readonly virtualHost: string; readonly cluster: string | undefined; readonly metadata: JsonObject }
    | undefined;
  readonly connection: {
    readonly remoteAddress: string;
    readonly remotePort: number;
    readonly localAddress: string;
    readonly localPort: number;
    readonly requestedServerName: string;
    readonly peerUris: readonly string[];
  };
}

export type JsonObject = Readonly<Record<string, unknown>>;

export interface Call {
  readonly kind: 'call';
  readonly stream: number;
  readonly phase: Phase;
  readonly config: number;
  /** With a stream's first call. */
  readonly begin: StreamFields | undefined;
  /** With the request's phases. */
  readonly request: RequestFields | undefined;
  /** With the response's phases. */
  readonly response: { readonly status: number; readonly headers: HeaderList } | undefined;
  readonly metadata: Readonly<Record<string, JsonObject>>;
  readonly body: Uint8Array | undefined;
}

export type ToHost =
  | Call
  | { readonly kind: 'config'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'end'; readonly stream: number }
  | { readonly kind: 'ping' }
  | { readonly kind: 'fetched'; readonly id: number; readonly answer: FetchAnswer };

export type FetchAnswer =
  | { readonly ok: true; readonly status: number; readonly headers: HeaderList; readonly body: Uint8Array }
  | { readonly ok: false; readonly error: string };

export interface Done {
  readonly kind: 'done';
  readonly stream: number;
  readonly request: Omit<RequestFields, 'scheme' | 'version'> | undefined;
  readonly response: { readonly status: number; readonly headers: HeaderList } | undefined;
  readonly body: Uint8Array | undefined;
  readonly metadata: readonly (readonly [namespace: string, fields: JsonObject])[];
  readonly clearRoute: boolean;
  readonly reply: { readonly status: number; readonly body: string; readonly headers: HeaderList; readonly details: string } | undefined;
  readonly counts: readonly (readonly [name: string, by: number])[];
}

/** A user's error, with the first line of the user's file that its stack names. */
export interface Failure {
  readonly error: string;
  /** `path:line:column`, or the path alone. */
  readonly at: string;
}

export type FromHost =
  | Done
  | { readonly kind: 'ready'; readonly hooks: Hooks }
  | ({ readonly kind: 'load-failed' } & Failure)
  | ({ readonly kind: 'failed'; readonly stream: number; readonly phase: Phase } & Failure)
  | ({ readonly kind: 'stray' } & Failure)
  | { readonly kind: 'pong' }
  | { readonly kind: 'log'; readonly message: string; readonly fields: JsonObject }
  | {
      readonly kind: 'fetch';
      readonly id: number;
      readonly cluster: string;
      readonly request: { readonly method: string; readonly path: string; readonly authority: string; readonly headers: HeaderList };
      readonly body: Uint8Array;
      readonly timeoutMs: number;
    };
