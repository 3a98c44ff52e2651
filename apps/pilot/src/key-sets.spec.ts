import { silentLogger, VirtualClock } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import { describe, expect, it } from 'vitest';
import { KeySets } from './key-sets.ts';
import { object } from './testing/view-mesh.ts';

const URI = 'https://issuer.example.com/keys';
const KEYS = '{"keys":[{"kty":"oct","k":"AQ"}]}';
const settle = () => new Promise((resolve) => setImmediate(resolve));

function authentication(jwtRules: readonly Record<string, string>[]): ConfigObject {
  return object({
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name: 'jwt', namespace: 'default' },
    spec: { jwtRules },
  });
}

function fixture(answers: readonly (string | Error)[]) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const sets = new KeySets({
    clock,
    logger: silentLogger,
    fetch: async (uri) => {
      const answer = answers[Math.min(asked.push(uri), answers.length) - 1] ?? '';
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  let told = 0;
  sets.subscribe(() => told++);
  return { clock, asked, sets, told: () => told };
}

describe('KeySets', () => {
  it('fetches what is named, once, and again after 20 minutes', async () => {
    const { clock, asked, sets, told } = fixture([KEYS, KEYS, '{"keys":[{"kty":"oct","k":"Ag"}]}']);
    const rule = { issuer: 'me', jwksUri: URI };
    sets.want([authentication([rule, rule, { issuer: 'own', jwks: KEYS, jwksUri: 'https://not.asked' }])]);
    sets.want([authentication([rule])]);
    await settle();
    expect([asked, sets.current.get(URI), told()]).toEqual([[URI], KEYS, 1]);
    clock.advance(20 * 60_000);
    await settle();
    // The same text is no news.
    expect([asked.length, told()]).toEqual([2, 1]);
    clock.advance(20 * 60_000);
    await settle();
    expect([sets.current.get(URI), told()]).toEqual(['{"keys":[{"kty":"oct","k":"Ag"}]}', 2]);
  });

  it('asks sooner after a failure, ever later, and keeps what was good', async () => {
    const { clock, asked, sets } = fixture([KEYS, new Error('away'), '{"keys":[]}', KEYS]);
    sets.want([authentication([{ issuer: 'me', jwksUri: URI }])]);
    await settle();
    clock.advance(20 * 60_000);
    await settle();
    clock.advance(1000);
    await settle();
    expect([asked.length, sets.current.get(URI)]).toEqual([3, KEYS]);
    clock.advance(1999);
    await settle();
    expect(asked.length).toBe(3);
    clock.advance(1);
    await settle();
    expect(asked.length).toBe(4);
  });

  it('stops when nobody names the URI', async () => {
    const { clock, sets } = fixture([KEYS]);
    sets.want([authentication([{ issuer: 'me', jwksUri: URI }])]);
    await settle();
    sets.close();
    expect([clock.pending, sets.current.get(URI)]).toEqual([0, KEYS]);
  });

  it('asks an issuer without a URI where its keys are, each time', async () => {
    const configuration = (uri: string) => JSON.stringify({ issuer: 'https://issuer.example.com/', jwks_uri: uri });
    const { clock, asked, sets } = fixture([
      configuration(URI),
      KEYS,
      configuration('https://other.example.com/keys'),
      '{"keys":[{"kty":"oct","k":"Ag"}]}',
    ]);
    sets.want([authentication([{ issuer: 'https://issuer.example.com/' }, { issuer: 'somebody@example.com' }])]);
    await settle();
    clock.advance(20 * 60_000);
    await settle();
    const discovery = 'https://issuer.example.com/.well-known/openid-configuration';
    expect(asked).toEqual([discovery, URI, discovery, 'https://other.example.com/keys']);
    expect([...sets.current]).toEqual([['discovery https://issuer.example.com/', '{"keys":[{"kty":"oct","k":"Ag"}]}']]);
  });

  it.each(['<html>', '{}', '{"jwks_uri":7}', '{"jwks_uri":"file:///etc/passwd"}'])('takes no keys from %s', async (answer) => {
    const { asked, sets } = fixture([answer]);
    sets.want([authentication([{ issuer: 'https://issuer.example.com' }])]);
    await settle();
    expect([asked.length, sets.current.size]).toEqual([1, 0]);
  });
});
