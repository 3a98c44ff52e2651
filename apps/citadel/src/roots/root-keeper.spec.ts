import { silentLogger, systemClock, VirtualClock } from '@xebec/core';
import { certificatePem, createSelfSignedRoot, generateKeys, unwrap } from '@xebec/identity';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuthorityPem, type AuthorityStore, makeSelfSigned } from '../authority-store.ts';
import { startFakeVault } from '../key-manager/fake-vault.ts';
import type { KeyManager } from '../key-manager/key-manager.ts';
import { createMemoryKeyManager } from '../key-manager/memory-key-manager.ts';
import { createVaultClient } from '../key-manager/vault-client.ts';
import { createVaultKeyManager } from '../key-manager/vault-key-manager.ts';
import type { Instance } from '../rotation/ledger.ts';
import { makeManagedRoot } from './made-root.ts';
import { RootKeeper } from './root-keeper.ts';
import { renewRoots } from './root-renewal.ts';

const TTL = 3_600_000;
const START = Date.UTC(2026, 10, 21);

/** A store in memory that can fail, and counts what is written. */
class MemoryStore implements AuthorityStore {
  readonly description = 'memory';
  own: AuthorityPem | undefined;
  plugged: AuthorityPem | undefined;
  state: { bytes: Uint8Array; revision: string } | undefined;
  failing = false;
  published: string[] = [];
  #revision = 0;

  load = async () => this.plugged ?? this.own;
  pluggedIn = async () => this.plugged;
  createIfAbsent = async (make: () => Promise<AuthorityPem>) => {
    this.own ??= await make();
    return this.own;
  };
  publish = async ({ root }: AuthorityPem) => void this.published.push(root ?? '');
  loadState = async () => this.state;
  saveState = async (bytes: Uint8Array, revision: string | undefined) => {
    if (this.failing) throw new Error('the disk is full');
    if (this.state?.revision !== revision) return undefined;
    this.state = { bytes, revision: String(++this.#revision) };
    return this.state.revision;
  };
}

let store: MemoryStore;
let clock: VirtualClock;
const keepers: RootKeeper[] = [];

async function open(keys?: KeyManager, replica?: string): Promise<RootKeeper> {
  const makeRoot = () =>
    keys === undefined
      ? makeSelfSigned('cluster.local', TTL, 'ecdsa-p256', clock.now())
      : makeManagedRoot(keys, { organization: 'cluster.local', ttlMs: TTL, keyType: 'ecdsa-p256', clock });
  const keeper = new RootKeeper({
    store,
    makeRoot,
    ...(keys === undefined ? {} : { keys }),
    ...(replica === undefined ? {} : { replica }),
    clock,
    logger: silentLogger,
  });
  keepers.push(keeper);
  await keeper.open();
  return keeper;
}

function report(keeper: RootKeeper, instance: string, fields: Partial<Instance>): void {
  keeper.reported({
    identity: 'spiffe://cluster.local/ns/default/sa/a',
    instance,
    bundleVersion: 0,
    roots: [],
    leafRoot: '',
    leafSerial: '',
    leafNotAfter: START + TTL,
    reportedAt: clock.now(),
    clockOffsetMs: 0,
    error: '',
    ...fields,
  });
}

/** What an agent that follows at once would say. */
function follow(keeper: RootKeeper, instance: string): void {
  const view = keeper.view();
  const leafRoot = view?.signers.get(view.rotation.active)?.anchor ?? '';
  report(keeper, instance, { bundleVersion: view?.bundle.version ?? 0, roots: [...(view?.bundle.fingerprints ?? [])], leafRoot });
}

beforeEach(() => {
  store = new MemoryStore();
  clock = new VirtualClock(START);
});
afterEach(async () => {
  for (const keeper of keepers.splice(0)) await keeper.close();
});

const phase = (keeper: RootKeeper) => keeper.view()?.rotation.phase;

/** Lets timers and promises go on until it is so. */
async function until(what: () => unknown): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (what() === true) return;
    clock.advance(100);
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  throw new Error('it did not come to that');
}

describe('the keeper of roots', () => {
  it('goes through the phases as reports come, and shows the bundle at each', async () => {
    const keeper = await open();
    const before = keeper.view()?.rotation.active;
    follow(keeper, 'one');
    await keeper.rotate();
    expect(phase(keeper)).toBe('distributing');
    expect(keeper.view()?.bundle.roots).toHaveLength(2);
    expect(keeper.waitingFor()).toHaveLength(1);
    await expect(keeper.rotate()).rejects.toThrow('phase distributing');
    follow(keeper, 'one');
    await until(() => phase(keeper) === 'switching');
    expect(keeper.view()?.rotation.active).not.toBe(before);
    follow(keeper, 'one');
    await until(() => phase(keeper) === 'retiring');
    follow(keeper, 'one');
    await until(() => phase(keeper) === 'steady');
    expect(keeper.view()?.bundle.roots).toHaveLength(1);
    expect(store.published.at(-1)).toBe(keeper.view()?.bundle.rootPem);
    // The old key is nowhere any more.
    expect(Object.keys(keeper.view()?.kept ?? {})).toEqual([keeper.view()?.rotation.active]);
  });

  it('shows no step that is not written', async () => {
    const keeper = await open();
    const seen: string[] = [];
    keeper.subscribe(({ rotation }) => seen.push(rotation.phase));
    store.failing = true;
    await expect(keeper.rotate()).rejects.toThrow('the disk is full');
    expect([phase(keeper), seen]).toEqual(['steady', []]);
    store.failing = false;
    await keeper.rotate();
    expect(seen).toEqual(['distributing']);
  });

  it('knows after a crash what was going on and whom it waits for', async () => {
    const keeper = await open();
    follow(keeper, 'one');
    keeper.issued('spiffe://cluster.local/ns/default/sa/silent', { serialNumber: 'aa', notAfter: START + TTL });
    await keeper.rotate();
    const again = await open();
    expect(again.view()?.rotation).toEqual(keeper.view()?.rotation);
    expect(again.waitingFor().map(({ id }) => id)).toEqual([
      'spiffe://cluster.local/ns/default/sa/silent',
      'spiffe://cluster.local/ns/default/sa/a one',
    ]);
  });

  it('lets no certificate out during a rotation before it is written, and none of before', async () => {
    const keeper = await open();
    follow(keeper, 'one');
    const leaf = (serialNumber: string) => ({ serialNumber, notAfter: clock.now() + TTL });
    expect(keeper.issued('spiffe://x/silent', leaf('aa'))).toBe(true);
    const steady = keeper.view();
    await keeper.rotate();
    // Signed before the step, recorded after it: its holder would not know of the new root.
    expect(keeper.issued('spiffe://x/silent', leaf('bb'), steady)).toBe(false);
    let answer: boolean | undefined;
    const revision = Number(store.state?.revision);
    const many = ['cc', 'dd', 'ee'].map((serial) => keeper.issued('spiffe://x/silent', leaf(serial)));
    void Promise.all(many).then(([first]) => (answer = first));
    await Promise.resolve();
    expect(answer).toBeUndefined();
    const start = clock.now();
    clock.advance(10);
    for (let turn = 0; turn < 20 && answer === undefined; turn++) await new Promise<void>((resolve) => void setImmediate(resolve));
    expect([answer, clock.now() - start, Number(store.state?.revision)]).toEqual([true, 10, revision + 1]);
    // Whoever comes after a kill -9 at this moment knows them all.
    const again = await open();
    expect(again.ledger.certificatesOf('spiffe://x/silent').map(({ serial }) => serial)).toEqual(['aa', 'cc', 'dd', 'ee']);
    store.failing = true;
    const failed = Promise.resolve(keeper.issued('spiffe://x/silent', leaf('ff')));
    clock.advance(10);
    await expect(failed).rejects.toThrow('the disk is full');
    store.failing = false;
  });

  it('waits after a crash for what may have been handed out unwritten, where some do not report', async () => {
    const first = await open();
    first.issued('spiffe://x/silent', { serialNumber: 'aa', notAfter: clock.now() + TTL });
    clock.advance(600);
    await new Promise<void>((resolve) => void setImmediate(resolve));
    first.issued('spiffe://x/lost', { serialNumber: 'bb', notAfter: clock.now() + TTL });
    clock.advance(100);
    const second = await open();
    await second.rotate();
    const waits = second.waitingFor();
    expect(waits.map(({ id }) => id).sort()).toEqual(['spiffe://x/silent', 'unwritten']);
    expect(waits.find(({ id }) => id === 'unwritten')?.until).toBeGreaterThanOrEqual(START + 600 + TTL);
  });

  it('waits for nothing unwritten after an end in good order, nor where everybody reports', async () => {
    const first = await open();
    first.issued('spiffe://x/silent', { serialNumber: 'aa', notAfter: clock.now() + TTL });
    await first.close();
    const second = await open();
    await second.rotate();
    expect(second.waitingFor().map(({ id }) => id)).toEqual(['spiffe://x/silent']);
    store = new MemoryStore();
    const third = await open();
    follow(third, 'one');
    const fourth = await open();
    await fourth.rotate();
    expect(fourth.waitingFor().filter(({ id }) => id === 'unwritten')).toEqual([]);
  });

  it('notices a proof at once, not at the next look', async () => {
    const keeper = await open();
    follow(keeper, 'one');
    await keeper.rotate();
    const turns = async () => {
      for (let turn = 0; turn < 20; turn++) {
        clock.advance(0);
        await new Promise<void>((resolve) => void setImmediate(resolve));
      }
    };
    await turns();
    for (const next of ['switching', 'retiring', 'steady']) {
      follow(keeper, 'one');
      await turns();
      expect(phase(keeper)).toBe(next);
    }
    expect(clock.now()).toBe(START);
  });

  it.each(['memory', 'Vault'])('rotates keys that are in %s: the state has names, the old key goes with its root', async (place) => {
    const vault = place === 'Vault' ? await startFakeVault() : undefined;
    const auth = { kind: 'token', token: 'root' } as const;
    const random = { next: () => 0.5 };
    const keys =
      vault === undefined
        ? createMemoryKeyManager()
        : createVaultKeyManager(createVaultClient({ address: vault.address, auth, clock: systemClock, random }), 'transit');
    const keeper = await open(keys);
    follow(keeper, 'one');
    const [oldKey] = await keys.list();
    await keeper.revoke('0a');
    expect(keeper.view()?.bundle.crlPem).toContain('X509 CRL');
    await keeper.rotate();
    expect(await keys.list()).toHaveLength(2);
    const settle = async () => {
      follow(keeper, 'one');
      clock.advance(1000);
      return [phase(keeper), (await keys.list()).length];
    };
    await expect.poll(settle, { timeout: 10_000 }).toEqual(['steady', 1]);
    const kept = Object.values(keeper.view()?.kept ?? {});
    expect(kept).toMatchObject([{ kind: 'self-signed', keyName: expect.stringMatching(/^root-/), pem: { privateKey: '' } }]);
    expect(await keys.list()).toEqual([kept[0]?.keyName]);
    expect(kept[0]?.keyName).not.toBe(oldKey);
    // The CA's key is nowhere that it could be shown.
    expect(store.published).toEqual([]);
    // Another process finds its key there; one that does not says so, and one that cannot ask may ask again.
    const again = await open(keys);
    expect(again.view()?.authority.certificate.serialNumber).toBe(keeper.view()?.authority.certificate.serialNumber);
    await expect(open(createMemoryKeyManager())).rejects.toMatchObject({ code: 'E_CA_STORE' });
    await vault?.close();
    if (vault !== undefined) await expect(open(keys)).rejects.toMatchObject({ code: 'E_KEY_STORE' });
    await keys.close();
  });

  it('lets replicas decide one after the other, each on what the other wrote', async () => {
    const [first, second] = [await open(), await open()];
    expect(second.view()?.rotation).toEqual(first.view()?.rotation);
    follow(second, 'two');
    await first.rotate();
    // The second learns of it when it writes: it is refused, reads again, and judges anew.
    await expect(second.rotate()).rejects.toThrow('phase distributing');
    await second.command({ type: 'pause' });
    await expect(first.command({ type: 'pause' })).rejects.toThrow('paused already');
    expect(first.view()?.rotation).toMatchObject({ phase: 'distributing', paused: true });
    await first.refresh();
    expect(first.waitingFor().map(({ id }) => id)).toEqual(['spiffe://cluster.local/ns/default/sa/a two']);
  });

  it('leaves no replica behind: each phase waits for those that live, and one that is cut off signs nothing', async () => {
    const [first, second] = [await open(undefined, 'a'), await open(undefined, 'b')];
    await first.refresh();
    const leaf = (serialNumber: string) => ({ serialNumber, notAfter: clock.now() + TTL });
    expect(second.issued('spiffe://x/silent', leaf('aa'))).toBe(true);
    await first.rotate();
    // The second does not know yet, and what it has handed out is in no ledger that the first can read.
    expect(first.waitingFor().map(({ id }) => id)).toEqual(['citadel b']);
    await second.refresh();
    await first.refresh();
    expect(first.waitingFor().map(({ id }) => id)).toEqual(['spiffe://x/silent']);
    await first.command({ type: 'skip', id: 'spiffe://x/silent' });
    await until(() => phase(first) === 'switching');
    expect(first.waitingFor().map(({ id }) => id)).toEqual(['citadel b']);
    // It is killed: after a while nobody waits for it any more, and long before it would sign nothing.
    clock.advance(8_100);
    expect(second.issued('spiffe://x/silent', leaf('bb'))).toBe(false);
    expect(phase(first)).toBe('switching');
    clock.advance(8_000);
    await until(() => phase(first) === 'steady');
    // Alone again, and away from the store: it goes on signing.
    await second.close();
    await first.refresh();
    clock.advance(60_000);
    expect(first.issued('spiffe://x/silent', leaf('cc'))).toBe(true);
  });

  it('renews a self-signed root near its end with the same key, and what was signed stays good', async () => {
    const keeper = await open();
    const old = keeper.view();
    follow(keeper, 'one');
    const renewal = renewRoots({
      keeper,
      organization: 'cluster.local',
      ttlMs: TTL,
      checkMs: 1000,
      clock,
      random: { next: () => 0.5 },
      logger: silentLogger,
    });
    clock.advance(TTL * 0.5);
    await new Promise<void>((resolve) => void setImmediate(resolve));
    expect(keeper.view()?.authority.certificate.serialNumber).toBe(old?.authority.certificate.serialNumber);
    clock.advance(TTL * 0.31);
    await until(() => keeper.view()?.authority.certificate.serialNumber !== old?.authority.certificate.serialNumber);
    renewal.close();
    const now = keeper.view();
    expect(now?.rotation.phase).toBe('steady');
    expect(now?.bundle.version).toBe((old?.bundle.version ?? 0) + 1);
    expect(now?.authority.certificate.spki).toEqual(old?.authority.certificate.spki);
    expect(now?.authority.certificate.subject).toEqual(old?.authority.certificate.subject);
    expect(now?.authority.certificate.notAfter).toBeGreaterThan(old?.authority.certificate.notAfter ?? 0);
    // A leaf of the old one is no reason to wait, nor to renew.
    expect(keeper.anchorsOf(now?.rotation.active ?? '')).toContain([...(old?.bundle.fingerprints ?? [])][0]);
  });

  it('does not take what is no CA, nor a state that it did not write', async () => {
    const keeper = await open();
    const keys = await generateKeys('ecdsa-p256');
    const template = { organization: 'x', ttlMs: 1000, now: START - 10_000, serial: Buffer.alloc(16, 1) };
    const expired = certificatePem(unwrap(createSelfSignedRoot(keys, template)));
    const privateKey = keys.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    await expect(keeper.adopt({ certificate: expired, privateKey }, 'plugged-in')).rejects.toMatchObject({ code: 'E_CA_EXPIRED' });
    const other = await makeSelfSigned('y', TTL, 'ecdsa-p256', clock.now());
    await expect(keeper.adopt({ ...other, privateKey }, 'plugged-in')).rejects.toMatchObject({ code: 'E_CA_KEY' });
    expect(phase(keeper)).toBe('steady');
    store.state = { bytes: Buffer.from('hello'), revision: 'x' };
    await expect(open()).rejects.toMatchObject({ code: 'E_CA_STORE' });
  });
});
