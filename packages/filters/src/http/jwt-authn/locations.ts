import { requestCookie } from '@xebec/matching';
import { headerJoined, type RequestHead, removeHeader } from '@xebec/wire';

/** Where a token may stand in a request. */
export type TokenLocation =
  | { readonly kind: 'header'; readonly name: string; readonly prefix: string }
  | { readonly kind: 'parameter'; readonly name: string }
  | { readonly kind: 'cookie'; readonly name: string };

/** RFC 6750: what is searched when a provider names no place. */
export const DEFAULT_LOCATIONS: readonly TokenLocation[] = [
  { kind: 'header', name: 'authorization', prefix: 'Bearer ' },
  { kind: 'parameter', name: 'access_token' },
];

/** The token at a location, or undefined. */
export function findToken(location: TokenLocation, request: RequestHead): string | undefined {
  if (location.kind === 'parameter') return parameter(request.path, location.name);
  if (location.kind === 'cookie') return requestCookie(request.headers, location.name);
  const value = headerJoined(request.headers, location.name);
  if (value === undefined) return undefined;
  if (location.prefix === '') return value;
  const at = value.indexOf(location.prefix);
  if (at === -1) return undefined;
  // Other characters may stand between the prefix and the token, as in `Bearer="`.
  const rest = value.slice(at + location.prefix.length);
  const start = rest.search(/[A-Za-z0-9_.-]/);
  return start === -1 ? rest : rest.slice(start);
}

/** Takes the location out of the request. A cookie stays, as in Envoy. */
export function removeToken(location: TokenLocation, request: RequestHead): void {
  if (location.kind === 'header') removeHeader(request.headers, location.name);
  else if (location.kind === 'parameter') request.path = withoutParameter(request.path, location.name);
}

function parameter(path: string, name: string): string | undefined {
  const start = path.indexOf('?');
  if (start === -1) return undefined;
  for (const part of path.slice(start + 1).split('&')) {
    const equals = part.indexOf('=');
    if (equals === -1 || part.slice(0, equals) !== name) continue;
    return part.slice(equals + 1);
  }
  return undefined;
}

function withoutParameter(path: string, name: string): string {
  const start = path.indexOf('?');
  if (start === -1) return path;
  const kept = path
    .slice(start + 1)
    .split('&')
    .filter((part) => part !== name && !part.startsWith(`${name}=`));
  return kept.length === 0 ? path.slice(0, start) : `${path.slice(0, start)}?${kept.join('&')}`;
}
