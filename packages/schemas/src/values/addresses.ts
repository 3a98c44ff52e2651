import { isIP, isIPv4 } from 'node:net';
import { domainName } from './names.ts';
import type { ValueCheck } from './value-check.ts';

export const UNIX_PREFIX = 'unix://';

export function isAddress(value: string): boolean {
  return isIP(value) !== 0;
}

export const ipAddress: ValueCheck = (value) => (isAddress(value) ? undefined : `"${value}" is not an IP address`);

/** An IP address or a CIDR range. */
export const subnet: ValueCheck = (value) => {
  const [ip = '', bits, ...rest] = value.split('/');
  if (bits === undefined || rest.length > 0) return ipAddress(value);
  const sound = isAddress(ip) && !ip.includes('%') && /^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= (isIPv4(ip) ? 32 : 128);
  return sound ? undefined : `"${value}" is not a CIDR range, such as 10.0.0.0/8`;
};

/** What follows `unix://`: an absolute path, or `@` and a name of the abstract namespace. */
export const unixPath: ValueCheck = (value) => {
  if (value === '') return 'the path of the socket is empty';
  if (value.startsWith('@')) return undefined;
  return value.startsWith('/') && !value.endsWith('/') ? undefined : `"${value}" is not the absolute path of a socket`;
};

/** `host:port` and `[address]:port`, taken apart as Go's `net.SplitHostPort` does; undefined when it is not of that form. */
export function splitHostPort(value: string): { readonly host: string; readonly port: string } | undefined {
  const bracketed = /^\[([^[\]]*)\]:([^:[\]]*)$/.exec(value);
  const plain = /^([^:[\]]*):([^:[\]]*)$/.exec(value);
  const [, host, port] = bracketed ?? plain ?? [];
  return host === undefined || port === undefined ? undefined : { host, port };
}

/** Port of an address, undefined where it is not 1 to 65535. */
export function portOf(text: string): number | undefined {
  const port = /^[-+]?\d+$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : undefined;
}

/** `host:port` of a server that proxies connect to. */
export const serverAddress: ValueCheck = (value) => {
  const parts = splitHostPort(value);
  if (parts === undefined) return `"${value}" is not of the form host:port`;
  if (portOf(parts.port) === undefined) return `"${parts.port}" is not a port: write a number from 1 to 65535`;
  return domainName(parts.host) !== undefined && !isAddress(parts.host)
    ? `"${parts.host}" is neither a host name nor an IP address`
    : undefined;
};
