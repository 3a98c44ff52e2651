import type { HeaderValueOption_HeaderAppendAction } from '@xebec/protos/envoy/config/core/v3/base';
import type { StreamInfo } from '@xebec/telemetry';
import type { HeaderList, RequestHead } from '@xebec/wire';

/** One header operation of an answer. */
export interface HeaderOperation {
  readonly name: string;
  readonly value: string;
  /** `join`: onto the end of the value that is there, with a comma; nothing where none is. */
  readonly action: HeaderValueOption_HeaderAppendAction | 'join';
}

/** What an authorization service said. An error is a rejected promise instead. */
export type Answer =
  | {
      readonly kind: 'allowed';
      readonly requestHeaders: readonly HeaderOperation[];
      readonly requestHeadersToRemove: readonly string[];
      readonly responseHeaders: readonly HeaderOperation[];
      readonly queryToSet: readonly { readonly key: string; readonly value: string }[];
      readonly queryToRemove: readonly string[];
      readonly metadata: Readonly<Record<string, unknown>> | undefined;
    }
  | {
      readonly kind: 'denied';
      readonly status: number;
      readonly body: string;
      readonly headers: HeaderList;
      readonly metadata: Readonly<Record<string, unknown>> | undefined;
    };

export interface Question {
  readonly request: RequestHead;
  readonly info: StreamInfo;
  readonly body: Buffer | undefined;
  /** Bytes of the body that have come, of which `body` may be the beginning. */
  readonly received: number;
  /** A number of 64 bits that names the stream. */
  readonly streamId: string;
  /** The body was cut at the limit. */
  readonly partial: boolean;
  readonly contextExtensions: Readonly<Record<string, string>>;
}

/** Asks a service about a request. */
export type Authorizer = (question: Question) => Promise<Answer>;

/** Headers that no service may take away or set: they frame the message. */
export function isProtected(name: string): boolean {
  return name === 'host' || name === 'content-length' || name === 'transfer-encoding' || name === '';
}
