import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createSelfSignedRoot, generateKeys, unwrap } from '../index.ts';
import { parseBundle, renderBundle } from './bundle-document.ts';

const root = unwrap(
  createSelfSignedRoot(await generateKeys('ecdsa-p256'), {
    organization: 'b.test',
    ttlMs: 1e9,
    now: Date.now(),
    serial: Buffer.alloc(16, 7),
  }),
);
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

describe('bundle document', () => {
  it('comes back as it was written', () => {
    const text = renderBundle({ roots: [root], jwtKeys: [{ kid: 'k', publicKey }], sequence: 7, refreshHintMs: 60_000 });
    const read = unwrap(parseBundle(text));
    expect(read.roots.map(({ der }) => Buffer.from(der).toString('hex'))).toEqual([Buffer.from(root.der).toString('hex')]);
    expect(read.jwtKeys.map(({ kid }) => kid)).toEqual(['k']);
    expect(read).toMatchObject({ sequence: 7, refreshHintMs: 60_000 });
    expect(JSON.parse(text)).toMatchObject({
      spiffe_sequence: 7,
      spiffe_refresh_hint: 60,
      keys: [{ use: 'x509-svid', kty: 'EC' }, { use: 'jwt-svid' }],
    });
  });

  it('passes over keys of unknown use', () => {
    expect(unwrap(parseBundle('{"keys":[{"kty":"EC","use":"wit-svid"},{"kty":"RSA"}]}'))).toEqual({ roots: [], jwtKeys: [] });
  });

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['no keys', '{"spiffe_sequence":1}'],
    ['a root without certificate', '{"keys":[{"use":"x509-svid","kty":"EC"}]}'],
    ['two certificates in one key', '{"keys":[{"use":"x509-svid","x5c":["AAAA","AAAA"]}]}'],
    ['a broken certificate', '{"keys":[{"use":"x509-svid","x5c":["AAAA"]}]}'],
    ['a negative sequence', '{"keys":[],"spiffe_sequence":-1}'],
    ['a sequence in words', '{"keys":[],"spiffe_sequence":"1"}'],
    ['a broken refresh hint', '{"keys":[],"spiffe_refresh_hint":1.5}'],
    ['too many keys', `{"keys":[${'{},'.repeat(600)}{}]}`],
    ['a token key without ID', '{"keys":[{"use":"jwt-svid","kty":"EC"}]}'],
  ])('with %s is refused', (_name, text) => {
    expect(parseBundle(text)).toMatchObject({ ok: false, error: { code: 'E_BUNDLE' } });
  });
});
