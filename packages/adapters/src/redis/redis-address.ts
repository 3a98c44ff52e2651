import { err, ok, type Result } from '@xebec/core';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string;
  readonly password?: string;
  readonly database: number;
  readonly tls: boolean;
}

const HINT = 'write host:port or redis://[user:password@]host[:port][/database]; rediss:// is with TLS';

/** `host:port`, `redis://` or `rediss://`. The problem never shows a password. */
export function parseRedisAddress(text: string): Result<RedisAddress, string> {
  const full = text.includes('://') ? text : `redis://${text}`;
  if (!URL.canParse(full)) return err(`is no address of a Redis server: ${HINT}`);
  const url = new URL(full);
  if (url.protocol !== 'redis:' && url.protocol !== 'rediss:') return err(`cannot speak ${url.protocol.slice(0, -1)}: ${HINT}`);
  const database = url.pathname.replace(/^\//, '');
  if (url.hostname === '' || !/^\d{0,4}$/.test(database) || url.search !== '' || url.hash !== '')
    return err(`is no address of a Redis server: ${HINT}`);
  return ok({
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    database: Number(database),
    tls: url.protocol === 'rediss:',
  });
}
