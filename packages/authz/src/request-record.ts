/** One call as it was recorded, or as somebody asks about it. */
export interface RequestRecord {
  /** Where it was recorded: `file:line`. */
  readonly origin: string;
  /** Port of the application (sidecar) or of the gateway. */
  readonly port: number;
  /** `tcp`: a connection without HTTP; method, path, authority and headers say nothing. */
  readonly protocol: 'http' | 'tcp';
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly authority: string;
  /** Names in lower case and values in turn. */
  readonly headers: readonly string[];
  /** SPIFFE ID that the caller proved by mTLS; undefined: none. */
  readonly principal: string | undefined;
  /** The call came over mTLS, and who called was not recorded. */
  readonly principalUnknown: boolean;
  /** Of the peer of the connection. */
  readonly sourceAddress: string;
  /** Of the client as `x-forwarded-for` or PROXY protocol tell. */
  readonly clientAddress: string;
  readonly destinationAddress: string;
  readonly serverName: string;
  /** Of a token taken as valid; undefined: no token. */
  readonly claims: Readonly<Record<string, unknown>> | undefined;
}
