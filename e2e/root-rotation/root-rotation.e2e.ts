import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../src/daemon-process.ts';
import { Mesh, run } from './mesh.ts';
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

describe('revocation', () => {
  it('lists what is revoked for openssl to refuse, and the workload gets a new certificate at once', async () => {
    const agent = mesh.agents.get('reviews');
    const revoked = agent?.certificates.current();
    if (agent === undefined || revoked === undefined) throw new Error('there is no reviews');
    const done = await mesh.ca('revoke', 'spiffe://cluster.local/ns/default/sa/reviews');
    expect(done).toEqual({ code: 0, text: '1 certificate is revoked\n' });
    await expect.poll(() => agent.certificates.current()?.serialNumber, { timeout: 20_000 }).not.toBe(revoked.serialNumber);
    const lists = await eventually('lists', () => {
      const { crls } = mesh.agents.get('ratings')?.certificates.trust.current() ?? { crls: [] };
      return crls.length > 0 ? crls.join('') : undefined;
    });
    const [leaf, crl] = [join(mesh.directory, 'leaf.pem'), join(mesh.directory, 'crl.pem')];
    writeFileSync(crl, lists);
    const verify = async (pem: string) => {
      writeFileSync(leaf, pem);
      return run('openssl', ['verify', '-x509_strict', '-crl_check_all', '-CRLfile', crl, '-CAfile', mesh.rootFile(), leaf]);
    };
    const bad = await verify(revoked.certificateChainPem);
    expect(bad.text).toContain('certificate revoked');
    expect(await verify(agent.certificates.current()?.certificateChainPem ?? '')).toMatchObject({ code: 0 });
    expect((await run('openssl', ['crl', '-in', crl, '-noout', '-text'])).text.toLowerCase()).toContain(
      `serial number: ${revoked.serialNumber}`,
    );
    // The list outlives the process.
    await mesh.kill();
    await mesh.startCitadel();
    expect(JSON.parse((await mesh.ca('status', '-o', 'json')).text)).toMatchObject({ revoked: [{ serial: revoked.serialNumber }] });
    expect(await mesh.ca('revoke', 'spiffe://cluster.local/ns/default/sa/nobody')).toMatchObject({
      code: 1,
      text: expect.stringContaining('no valid certificate'),
    });
  });
});

describe('a CA that is plugged in', () => {
  /** A root by openssl and an intermediate of it, as `cacerts` holds them. */
  const makeCa = async (name: string) => {
    const file = (kind: string) => join(mesh.directory, `${name}-${kind}`);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const ca = (length: number) => [
      '-addext',
      `basicConstraints=critical,CA:TRUE,pathlen:${length}`,
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign',
    ];
    await run('openssl', [
      'req',
      '-x509',
      ...key,
      '-keyout',
      file('root.key'),
      '-out',
      file('root.pem'),
      '-subj',
      `/O=${name}`,
      '-days',
      '30',
      ...ca(1),
    ]);
    const signed = ['-CA', file('root.pem'), '-CAkey', file('root.key'), '-days', '20', '-subj', `/O=${name}/CN=citadel`];
    const made = await run('openssl', ['req', '-x509', ...key, '-keyout', file('ca.key'), '-out', file('ca.pem'), ...signed, ...ca(0)]);
    expect(made.code, made.text).toBe(0);
    return {
      'ca-key.pem': readFileSync(file('ca.key'), 'utf8'),
      'ca-cert.pem': readFileSync(file('ca.pem'), 'utf8'),
      'cert-chain.pem': readFileSync(file('ca.pem'), 'utf8'),
      'root-cert.pem': readFileSync(file('root.pem'), 'utf8'),
    };
  };
  const plugIn = (files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(mesh.caDirectory, name), text, { mode: 0o600 });
  };

  it('is taken up by the same steps, without a restart or a failed call; a broken one is told of and left alone', async () => {
    const before = mesh.status();
    const [first, second] = [await makeCa('first'), await makeCa('second')];
    plugIn({ ...first, 'ca-key.pem': second['ca-key.pem'] });
    const told = await mesh.until('the problem', ({ problem }) => problem !== undefined);
    expect(told).toMatchObject({ phase: 'steady', problem: expect.stringContaining('private key does not belong'), signer: before.signer });
    plugIn(first);
    for (const phase of ['distributing', 'switching', 'retiring']) {
      await mesh.until(phase, (now) => now.phase === phase && now.waitingFor.length === 1);
      expect(await mesh.verifyAll()).toEqual([]);
      await letGo(phase);
    }
    const after = await mesh.until('the end', ({ phase }) => phase === 'steady', 40_000);
    expect(after).toMatchObject({ signer: { kind: 'plugged-in' }, bundle: [{}] });
    expect(after.problem).toBeUndefined();
    const chain = mesh.agents.get('reviews')?.certificates.current()?.certificateChainPem ?? '';
    expect(chain.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(await mesh.verifyAll()).toEqual([]);
    // An intermediate of the same root needs no rotation, and a root that is added to the bundle none either.
    plugIn({ 'root-cert.pem': first['root-cert.pem'] + second['root-cert.pem'] });
    await mesh.until('both roots', ({ bundle, phase }) => bundle.length === 2 && phase === 'steady');
    await expectNoFailure();
    expect(await mesh.ca('rotate')).toMatchObject({ code: 1, text: expect.stringContaining('plugged in') });
  });
});

it('goes over to another trust domain, with the old one as an alias, without a failed call', async () => {
  const names = async (name: string) => {
    const leaf = join(mesh.directory, 'leaf.pem');
    writeFileSync(leaf, mesh.agents.get(name)?.certificates.current()?.certificateChainPem ?? '');
    return (await run('openssl', ['x509', '-in', leaf, '-noout', '-ext', 'subjectAltName'])).text;
  };
  await mesh.kill();
  const meshConfig = join(mesh.directory, 'mesh.yaml');
  writeFileSync(meshConfig, 'trustDomain: new.example\ntrustDomainAliases: [cluster.local]\n');
  await mesh.startCitadel('--trust-domain', 'new.example', '--mesh-config', meshConfig);
  mesh.agents.get('reviews')?.certificates.renew('the trust domain has another name', 0);
  await expect.poll(() => names('reviews'), { timeout: 20_000 }).toContain('URI:spiffe://new.example/ns/default/sa/reviews');
  expect(await names('ratings')).toContain('URI:spiffe://cluster.local/ns/default/sa/ratings');
  await expectNoFailure();
  const domains = await eventually('both bundles', () => {
    const found = mesh.agents.get('ratings')?.certificates.trust.current()?.domains ?? [];
    return found.length > 1 ? found : undefined;
  });
  expect(domains.map(({ trustDomain }) => trustDomain)).toEqual(['new.example', 'cluster.local']);
  expect(domains[1]?.roots).toEqual(domains[0]?.roots);
  expect(await mesh.verifyAll()).toEqual([]);
});
