import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Mesh } from './mesh.ts';
import { Puppet } from './puppet.ts';

let mesh: Mesh;
let puppet: Puppet;

beforeEach(async () => {
  mesh = new Mesh();
  await mesh.start();
  for (const name of ['productpage', 'reviews', 'ratings']) await mesh.addAgent(name);
  puppet = new Puppet(mesh, 'puppet');
  await puppet.fetchLeaf();
  await puppet.connect();
  await puppet.accept(1);
  await mesh.until('everybody to follow', ({ instances }) => instances.connected === 4);
  mesh.startCalls();
});
afterEach(async () => {
  puppet.disconnect();
  await mesh.close();
});

/** Calls went on all the time, and each of them was good. */
async function expectNoFailure(): Promise<void> {
  const before = mesh.calls;
  await expect.poll(() => mesh.calls, { timeout: 20_000 }).toBeGreaterThan(before + 9);
  expect(mesh.failures).toEqual([]);
}

/** Takes the puppet through the phase that it holds up. */
async function letGo(phase: string): Promise<void> {
  const { bundleVersion } = mesh.status();
  if (phase === 'switching') await puppet.fetchLeaf();
  await puppet.accept(bundleVersion);
}

describe('root rotation', () => {
  it('goes from end to end by proof, verified by openssl in each phase, without a failed call', async () => {
    const before = mesh.status();
    expect((await mesh.ca('rotate')).code).toBe(0);
    const phases = [];
    for (const phase of ['distributing', 'switching', 'retiring']) {
      const status = await mesh.until(phase, (now) => now.phase === phase && now.waitingFor.length === 1);
      expect(status.waitingFor[0]?.id).toContain('puppet');
      phases.push({ phase, roots: status.bundle.length, signs: status.signer.root === before.signer.root ? 'old' : 'new' });
      expect(await mesh.verifyAll()).toEqual([]);
      await expectNoFailure();
      if (phase === 'switching') expect((await puppet.ordered()).toString('hex')).toBe(status.signer.root);
      await letGo(phase);
    }
    expect(phases).toEqual([
      { phase: 'distributing', roots: 2, signs: 'old' },
      { phase: 'switching', roots: 2, signs: 'new' },
      { phase: 'retiring', roots: 1, signs: 'new' },
    ]);
    const after = await mesh.until('the end', ({ phase }) => phase === 'steady');
    expect(after.signer.root).not.toBe(before.signer.root);
    expect(after.bundle.map(({ fingerprint }) => fingerprint)).toEqual([after.signer.root]);
    expect(await mesh.verifyAll()).toEqual([]);
    await expectNoFailure();
  });

  it.each(['distributing', 'switching', 'retiring'])('goes on after kill -9 while %s', async (held) => {
    const before = mesh.status();
    await mesh.ca('rotate');
    for (const phase of ['distributing', 'switching', 'retiring']) {
      await mesh.until(phase, (now) => now.phase === phase && now.waitingFor.length === 1);
      if (phase === held) {
        const { signer, bundle, bundleVersion } = mesh.status();
        await mesh.kill();
        await expectNoFailure();
        await mesh.startCitadel();
        puppet.disconnect();
        await puppet.connect();
        await mesh.until('everybody to follow again', ({ instances }) => instances.connected >= 3);
        expect(mesh.status()).toMatchObject({ phase, signer, bundle, bundleVersion });
      }
      await letGo(phase);
    }
    const after = await mesh.until('the end', ({ phase }) => phase === 'steady', 40_000);
    expect(after.signer.root).not.toBe(before.signer.root);
    expect(await mesh.verifyAll()).toEqual([]);
    await expectNoFailure();
  });

  it.each(['distributing', 'switching', 'retiring'])('rolls back while %s', async (held) => {
    const before = mesh.status();
    await mesh.ca('rotate');
    for (const phase of ['distributing', 'switching', 'retiring']) {
      await mesh.until(phase, (now) => now.phase === phase && now.waitingFor.length === 1);
      if (phase === held) break;
      await letGo(phase);
    }
    const answer = await mesh.ca('rotate', '--rollback', '-o', 'json');
    expect(JSON.parse(answer.text)).toMatchObject({ rollingBack: true });
    let last = '';
    const after = await mesh.until(
      'the end',
      (status) => {
        if (status.phase !== last && status.phase !== 'steady' && status.waitingFor.some(({ id }) => id.includes('puppet'))) {
          last = status.phase;
          void letGo(status.phase);
        }
        return status.phase === 'steady';
      },
      40_000,
    );
    expect(after.signer.root).toBe(before.signer.root);
    expect(after.bundle).toEqual(before.bundle);
    expect(await mesh.verifyAll()).toEqual([]);
    await expectNoFailure();
  });

  it('waits for an agent that is away, names it, and goes on when it is skipped', async () => {
    puppet.disconnect();
    await mesh.until('the puppet to be away', ({ instances }) => instances.connected === 3);
    await mesh.ca('rotate');
    const held = await mesh.until('the wait', (now) => now.phase === 'distributing' && now.waitingFor.length === 1);
    expect(held.waitingFor[0]).toMatchObject({ id: expect.stringContaining('puppet'), reason: expect.stringContaining('not connected') });
    const shown = await mesh.ca('status');
    expect(shown.text).toMatch(/WAITING FOR.*\n.*puppet/);
    expect((await mesh.ca('rotate', '--skip', 'puppet')).code).toBe(0);
    await mesh.until('the end', ({ phase }) => phase === 'steady', 40_000);
    await expectNoFailure();
  });

  it('pauses and resumes, and says what cannot be', async () => {
    expect(await mesh.ca('rotate', '--pause')).toMatchObject({ code: 1, text: expect.stringContaining('no rotation is going on') });
    await mesh.ca('rotate');
    await mesh.until('the wait', ({ phase }) => phase === 'distributing');
    await mesh.ca('rotate', '--pause');
    await letGo('distributing');
    expect(await mesh.ca('rotate')).toMatchObject({ code: 1, text: expect.stringContaining('phase distributing') });
    await mesh.until('nobody to be missing', (now) => now.waitingFor.length === 0);
    expect(mesh.status()).toMatchObject({ phase: 'distributing', paused: true });
    await mesh.ca('rotate', '--resume');
    await mesh.until('the next phase', ({ phase }) => phase === 'switching');
  });
});
