import { nearest } from '@xebec/core';
import type { ValueCheck } from './value-check.ts';

const HTTP: ReadonlySet<string> = new Set(['http', 'http2', 'http_proxy', 'grpc', 'grpc-web']);
const TLS: ReadonlySet<string> = new Set(['https', 'tls']);
const STREAM: ReadonlySet<string> = new Set(['tcp', 'https', 'tls', 'mongo', 'redis', 'mysql']);
const NAMES: readonly string[] = [
  'HTTP',
  'HTTP2',
  'HTTPS',
  'GRPC',
  'GRPC-WEB',
  'TLS',
  'TCP',
  'UDP',
  'MONGO',
  'REDIS',
  'MYSQL',
  'HTTP_PROXY',
];

/** What a port's protocol means, by its name in any case. */
export const isHttp = (protocol: string | undefined): boolean => HTTP.has((protocol ?? '').toLowerCase());
export const isTls = (protocol: string | undefined): boolean => TLS.has((protocol ?? '').toLowerCase());
export const isStream = (protocol: string | undefined): boolean => STREAM.has((protocol ?? '').toLowerCase());

export const knownProtocol: ValueCheck = (value) => {
  const name = value.toUpperCase();
  if (NAMES.includes(name)) return undefined;
  const suggestion = nearest(name, NAMES);
  return `"${value}" is not a protocol; ${suggestion === undefined ? `use one of ${NAMES.join(', ')}` : `did you mean "${suggestion}"?`}`;
};
