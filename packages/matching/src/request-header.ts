import { header, headerJoined, type RequestHead } from '@xebec/wire';

/** A header as rewrites and hash policies read it, pseudo-headers and host included; repeated headers are joined with commas. */
export function requestHeader(request: RequestHead, name: string): string | undefined {
  if (name.charCodeAt(0) !== 58) return name === 'host' ? request.authority : headerJoined(request.headers, name);
  switch (name) {
    case ':method':
      return request.method;
    case ':path':
      return request.path;
    case ':authority':
      return request.authority;
    case ':scheme':
      return request.scheme;
    default:
      return undefined;
  }
}

/** The same with the values of a repeated header apart. */
export function requestHeaderValues(request: RequestHead, name: string): string | readonly string[] | undefined {
  if (name.charCodeAt(0) === 58 || name === 'host') return requestHeader(request, name);
  const { headers } = request;
  let first: string | undefined;
  let several: string[] | undefined;
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue;
    const value = headers[i + 1] ?? '';
    if (first === undefined) first = value;
    else if (several === undefined) several = [first, value];
    else several.push(value);
  }
  return several ?? first;
}

/** The path without query and fragment. */
export function pathOnly(path: string): string {
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    if (code === 63 || code === 35) return path.slice(0, i);
  }
  return path;
}

/** The `x-forwarded-proto` of a request, else its scheme. */
export function forwardedProto(request: RequestHead): string {
  return header(request.headers, 'x-forwarded-proto') ?? request.scheme;
}
