import { Metadata } from '@grpc/grpc-js';
import type { Clock } from '@xebec/core';
import type { ConnectionSpec } from '@xebec/schemas';
import { readSecret } from './secret-file.ts';
import { type Token, TokenEndpoint } from './token-endpoint.ts';

type TlsSpec = NonNullable<NonNullable<ConnectionSpec['authentication']>['tls']>;

/** A token file is read again after so long: it may have been replaced. */
const FILE_TOKEN_MS = 10_000;
/** After a failure nobody is asked again sooner. */
const RETRY_MS = 1_000;

/** The token that calls carry: kept as long as it is good, fetched once for all calls that wait for it. */
export class CallToken {
  readonly #header: string;
  readonly #fetch: () => Promise<Token>;
  readonly #clock: Clock;
  #token: Token | undefined;
  #failed: { readonly error: unknown; readonly untilMs: number } | undefined;
  #pending: Promise<void> | undefined;

  constructor(header: string, fetchToken: () => Promise<Token>, clock: Clock) {
    this.#header = header;
    this.#fetch = fetchToken;
    this.#clock = clock;
  }
  /** Rejects with a `CallFailure` that says where no token came from, never with a secret. */
  async metadata(): Promise<Metadata> {
    const nowMs = this.#clock.now();
    if (this.#token === undefined || this.#token.renewMs <= nowMs) {
      if (this.#failed === undefined || this.#failed.untilMs <= nowMs) {
        this.#pending ??= this.#renew();
        await this.#pending;
      }
      if (this.#failed !== undefined && (this.#token?.endMs ?? 0) <= this.#clock.now()) throw this.#failed.error;
    }
    const metadata = new Metadata();
    metadata.set(this.#header, this.#token?.text ?? '');
    return metadata;
  }
  /** Whether calls wait for it. */
  get isAwaited(): boolean {
    return this.#pending !== undefined;
  }
  /** After the adapter refused it: the next call fetches one anew. */
  forget(): void {
    this.#token = undefined;
    this.#failed = undefined;
  }

  async #renew(): Promise<void> {
    try {
      this.#token = await this.#fetch();
      this.#failed = undefined;
    } catch (error) {
      this.#failed = { error, untilMs: this.#clock.now() + RETRY_MS };
    } finally {
      this.#pending = undefined;
    }
  }
}

/** A token from a file or from an OAuth 2.0 server; undefined when calls carry none. `roots`: PEM that the server is verified by. */
export function callToken(tls: TlsSpec, roots: string, clock: Clock): CallToken | undefined {
  const { customHeader, oauth, tokenPath } = tls;
  const header = customHeader ?? 'authorization';
  if (oauth !== undefined) {
    const endpoint = new TokenEndpoint(oauth, roots, clock);
    return new CallToken(header, () => endpoint.token(customHeader === undefined), clock);
  }
  if (tokenPath === undefined) return undefined;
  const scheme = tls.authHeader === 'BEARER' ? 'Bearer ' : '';
  return new CallToken(
    header,
    async () => {
      const text = await readSecret(tokenPath, 'tokenPath');
      const renewMs = clock.now() + FILE_TOKEN_MS;
      return { text: `${scheme}${text}`, renewMs, endMs: Number.POSITIVE_INFINITY };
    },
    clock,
  );
}
