import { randomBytes } from 'node:crypto';
import { seededRandom, silentLogger, systemClock } from '@xebec/core';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { expect, it } from 'vitest';
import { createForeignRoots } from './foreign-roots.ts';

async function rootPem(): Promise<string> {
  const keys = await generateKeys('ecdsa-p256');
  return certificatePem(unwrap(createSelfSignedRoot(keys, { organization: 'x', ttlMs: 1e9, now: Date.now(), serial: randomBytes(16) })));
}

it('are what MeshConfig lists now, each once, without telling whoever asks', async () => {
  const [first, second] = [await rootPem(), await rootPem()];
  let changes = 0;
  const foreign = createForeignRoots({ clock: systemClock, random: seededRandom(1), logger: silentLogger, onChange: () => changes++ });
  expect(foreign.of({})).toEqual([]);
  const listed = { caCertificates: [{ pem: first, trustDomains: ['b.test', 'c.test'] }, { pem: second }, { pem: 'nonsense' }] };
  expect(foreign.of(listed).toSorted()).toEqual([first, second].toSorted());
  expect(foreign.of({ caCertificates: [{ pem: second }] })).toEqual([second]);
  expect(foreign.of({})).toEqual([]);
  expect(changes).toBe(0);
  foreign.close();
});
