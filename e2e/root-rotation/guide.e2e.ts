import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../src/daemon-process.ts';
import { KubernetesMesh } from './kubernetes-mesh.ts';

const guide = readFileSync(join(import.meta.dirname, '../../docs/guides/root-rotation.md'), 'utf8');
/** Every `xebec ca …` of the guide, in its text or in its tables; options that stand alone belong to the verb before them. */
const commands = [...guide.matchAll(/npx xebec ca ([^`\n]+)|`xebec ca ([^`]+)`/g)].map(([, first, second]) =>
  (first ?? second ?? '').trim(),
);

describe('docs/guides/root-rotation.md', () => {
  const mesh = new KubernetesMesh();
  beforeAll(async () => {
    await mesh.start();
    await mesh.addAgent('reviews');
    await mesh.until('the agent', ({ instances }) => instances.connected === 1);
  }, 120_000);
  afterAll(() => mesh.close());

  const wordsOf = (command: string) => {
    expect(commands, 'the guide has it').toContain(command);
    return command.split(' ');
  };

  it('shows the status as the guide does', async () => {
    const [, block = ''] = /```\n\$ npx xebec ca status\n([\s\S]*?)```/.exec(guide) ?? [];
    const { code, text } = await mesh.ca(...wordsOf('status'));
    // Names, times, numbers and fingerprints are another mesh's.
    const shape = (shown: string) =>
      shown
        .replaceAll(/[0-9a-f]{64}/g, 'SHA')
        .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
        .replaceAll(/\d+/g, 'N')
        .replaceAll(/ +/g, ' ')
        .trim();
    expect([code, shape(text)]).toEqual([0, shape(block)]);
  });

  it('rotates as the guide says, and not where there is nothing to go back from', async () => {
    const before = await mesh.until('steadiness', ({ phase }) => phase === 'steady');
    expect(await mesh.ca(...wordsOf('rotate --rollback'))).toMatchObject({ code: 1 });
    const done = await mesh.ca(...wordsOf('rotate --wait'));
    expect(done.code, done.text).toBe(0);
    const after = await mesh.until('the end', ({ phase }) => phase === 'steady');
    expect(after.signer.root).not.toBe(before.signer.root);
    const allowed = /`kubectl (auth can-i update configmaps\/xebec-ca -n istio-system)`/.exec(guide)?.[1] ?? '';
    expect((await mesh.api.kubectl(...allowed.split(' '))).trim()).toBe('yes');
  });

  it('revokes as the guide says', async () => {
    const id = 'spiffe://cluster.local/ns/default/sa/reviews';
    const old = mesh.agents.get('reviews')?.certificates.current()?.serialNumber;
    const done = await mesh.ca(...wordsOf(`revoke ${id}`));
    expect(done.code, done.text).toBe(0);
    await expect.poll(() => mesh.agents.get('reviews')?.certificates.current()?.serialNumber, { timeout: 20_000 }).not.toBe(old);
    const lists = await eventually('the ConfigMap with the list', async () => {
      const text = await mesh.api.kubectl('get', 'configmap', 'istio-ca-crl', '-n', 'default', '-o', 'yaml');
      return text.includes('BEGIN X509 CRL') ? text : undefined;
    });
    expect(lists).toContain('ca-crl.pem');
  });
});
