import type { MeshProxy } from '@xebec/model';
import type { RequestHead } from '@xebec/wire';

/** Who calls. */
export type Caller =
  /** A workload of the mesh, with or without a sidecar. */
  | { readonly kind: 'workload'; readonly proxy: MeshProxy; readonly sidecar: boolean }
  /** Somebody outside, who comes in by a gateway. */
  | { readonly kind: 'outside'; readonly gateway: MeshProxy; readonly address: string };

/** A request to explain. */
export interface Call {
  readonly method: string;
  /** `host` or `host:port`, as the client writes it. */
  readonly authority: string;
  /** With query. */
  readonly path: string;
  /** `https`: the client itself speaks TLS, and only the server name is seen unless a gateway ends it. */
  readonly scheme: 'http' | 'https';
  /** Names in lower case and values in turn. */
  readonly headers: readonly string[];
  readonly caller: Caller;
  /** Claims of the token that comes with the request, taken as valid; absent: no token. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** The draw for weights and fractions, in [0, 1). */
  readonly draw: number;
}

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** Host in lower case without brackets, and the port, 80 or 443 where none is written. */
export function hostAndPort({ authority, scheme }: Pick<Call, 'authority' | 'scheme'>): HostAndPort {
  const bracket = authority.startsWith('[') ? authority.indexOf(']') : -1;
  const colon = authority.indexOf(':', bracket + 1);
  const written = colon < 0 ? Number.NaN : Number(authority.slice(colon + 1));
  const name = (colon < 0 ? authority : authority.slice(0, colon)).toLowerCase();
  const host = bracket < 0 ? name : name.slice(1, -1);
  return { host, port: Number.isInteger(written) && written > 0 ? written : scheme === 'https' ? 443 : 80 };
}

/** The request as a proxy's HTTP codec hands it on. */
export function requestHead(call: Call): RequestHead {
  return {
    method: call.method,
    path: call.path,
    authority: call.authority,
    scheme: call.scheme,
    headers: [...call.headers],
    version: 'HTTP/1.1',
  };
}
