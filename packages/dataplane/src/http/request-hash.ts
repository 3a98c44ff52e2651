import { combineHashes, xxHash64 } from '@xebec/balancing';
import type { Random } from '@xebec/core';
import type { HashCookie, HashPolicy } from '@xebec/matching';
import type { StreamInfo } from '@xebec/telemetry';
import type { RequestHead } from '@xebec/wire';

export interface RequestHash {
  /** Undefined when no policy applied. */
  readonly hash: bigint | undefined;
  /** The cookie that was made for a client without one: `set-cookie` of its response. */
  readonly setCookie: string | undefined;
}

/** What consistent hashing sends the request by: its route's hash policies, in order, up to a terminal one. */
export function requestHash(policies: readonly HashPolicy[], head: RequestHead, info: StreamInfo, random: Random): RequestHash {
  let hash: bigint | undefined;
  let setCookie: string | undefined;
  for (const policy of policies) {
    let input = policy.input(head, info);
    if (input === undefined && policy.cookie !== undefined) {
      input = randomHex(random);
      setCookie = cookieText(policy.cookie, input);
    }
    if (input !== undefined) hash = combineHashes(hash, hashOf(input));
    if (policy.terminal && hash !== undefined) break;
  }
  return { hash, setCookie };
}

/** Several values go into one hash, each seeded by those before it. */
function hashOf(input: string | readonly string[]): bigint {
  if (typeof input === 'string') return xxHash64(input);
  return input.reduce((seed, value) => xxHash64(value, seed), 0n);
}

function cookieText(cookie: HashCookie, value: string): string {
  let text = `${cookie.name}="${value}"`;
  if (cookie.ttlMs > 0) text += `; Max-Age=${Math.round(cookie.ttlMs / 1000)}`;
  if (cookie.path !== '') text += `; Path=${cookie.path}`;
  for (const attribute of cookie.attributes)
    text += attribute.value === '' ? `; ${attribute.name}` : `; ${attribute.name}=${attribute.value}`;
  return `${text}; HttpOnly`;
}

function randomHex(random: Random): string {
  const word = () =>
    Math.floor(random.next() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  return word() + word() + word() + word();
}
