import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger, VirtualClock } from '@xebec/core';
import { issueJwtSvid, parseJwtKeySet, parseSpiffeId, unwrap, validateJwtSvid } from '@xebec/identity';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createJwtKeys, type JwtKeys } from './jwt-keys.ts';
import { type KeptText, keptInDirectory } from './kept-text.ts';

const HOUR = 3_600_000;
const START = Date.UTC(2030, 0, 1);
const policy = { keyLifeMs: 24 * HOUR, publishAheadMs: HOUR, maxTokenTtlMs: HOUR };
const subject = unwrap(parseSpiffeId('spiffe://a.test/ns/shop/sa/cart')).id;
let directory: string;
const open: JwtKeys[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'xebec-jwt-keys-'));
});
afterEach(() => {
  for (const keys of open.splice(0)) keys.close();
  rmSync(directory, { recursive: true, force: true });
});

function start(clock: VirtualClock, store: KeptText = keptInDirectory(directory, 'keys.json')): JwtKeys {
  const keys = createJwtKeys({ store, policy, clock, logger: silentLogger });
  open.push(keys);
  return keys;
}

const ready = (keys: JwtKeys) =>
  vi.waitFor(() => {
    const key = keys.signing();
    if (key === undefined) throw new Error('no key yet');
    return key;
  });

it('signs with one key, publishes the next an hour before it signs, and the last until its tokens have expired', async () => {
  const clock = new VirtualClock(START);
  const keys = start(clock);
  const first = await ready(keys);
  const token = unwrap(issueJwtSvid(first, { subject, audience: ['db'], ttlMs: HOUR, now: clock.now() + 23.9 * HOUR })).token;
  const published = () => keys.published().map(({ kid }) => kid);
  expect(published()).toEqual([first.kid]);
  expect(keys.sequence()).toBe(1);
  const seen: string[] = [];
  for (let hour = 0; hour < 26; hour += 0.25) {
    clock.advance(HOUR / 4);
    await vi.waitFor(() => expect(keys.published().length).toBe(hour + 0.25 >= 23 && hour + 0.25 < 25 ? 2 : 1));
    const line = `${published().length} ${keys.signing()?.kid === first.kid ? 'first' : 'second'}`;
    if (seen.at(-1) !== line) seen.push(line);
    const valid = validateJwtSvid(token, {
      keys: new Map([['a.test', unwrap(parseJwtKeySet(keys.jwks()))]]),
      audience: 'db',
      now: clock.now(),
      clockSkewMs: 100 * HOUR,
    });
    expect(valid.ok).toBe(hour + 0.25 < 24.9);
  }
  expect(seen).toEqual(['1 first', '2 first', '2 second', '1 second']);
  expect(keys.sequence()).toBe(3);
});

it('goes on with the same keys after a restart, from a file that only its user may read', async () => {
  const clock = new VirtualClock(START);
  const first = await ready(start(clock));
  expect(statSync(join(directory, 'keys.json')).mode & 0o777).toBe(0o600);
  expect((await ready(start(clock))).kid).toBe(first.kid);
});

it('takes the keys of the replica that came first', async () => {
  let kept: { text: string; version: string } | undefined;
  let version = 0;
  const store: KeptText = {
    description: 'a test',
    load: async () => kept,
    save: async (text, previous) => {
      if (previous?.version !== kept?.version) return false;
      kept = { text, version: `${++version}` };
      return true;
    },
  };
  const clock = new VirtualClock(START);
  const replicas = [start(clock, store), start(clock, store)];
  await vi.waitFor(async () => {
    clock.advance(100);
    const [a, b] = replicas.map((each) => each.signing()?.kid);
    expect(a).toBeDefined();
    expect(b).toBe(a);
  });
});

it('signs nothing while the store is broken, and never overwrites it', async () => {
  const file = join(directory, 'keys.json');
  writeFileSync(file, '{"keys":[{"kid":"x"}]}');
  const warnings: string[] = [];
  const keys = createJwtKeys({
    store: keptInDirectory(directory, 'keys.json'),
    policy,
    clock: new VirtualClock(START),
    logger: { ...silentLogger, warn: (_fields, message) => void warnings.push(message ?? '') },
  });
  open.push(keys);
  await vi.waitFor(() => expect(warnings).toHaveLength(1));
  expect(warnings[0]).toContain('does not hold keys for JWT-SVIDs');
  expect(keys.signing()).toBeUndefined();
  expect(keys.jwks()).toBe('');
  expect(statSync(file).size).toBe(22);
});

it('shows no private part', async () => {
  const keys = start(new VirtualClock(START));
  await ready(keys);
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect(Object.keys(privateKey.export({ format: 'jwk' }))).toContain('d');
  expect(Object.keys(JSON.parse(keys.jwks()).keys[0])).toEqual(['kty', 'crv', 'x', 'y', 'kid', 'use']);
});
