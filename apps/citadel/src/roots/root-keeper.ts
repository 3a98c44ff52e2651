import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import { type Authority, unwrap } from '@xebec/identity';
import type { AuthorityPem, AuthorityStore } from '../authority-store.ts';
import { type Instance, Ledger, type UnclaimedLeaf } from '../rotation/ledger.ts';
import { type AnchorsOf, type Blocker, blockers, publicationBlocker } from '../rotation/proof.ts';
import { initialRotation, type Rotation, type RotationEvent, reduce } from '../rotation/rotation.ts';
import { type CaDocument, decodeDocument, encodeDocument, type KeptSigner, type RevokedCertificate } from './document.ts';
import { certificatesToRevoke, MAX_REVOKED, revocationLists } from './revocation-lists.ts';
import { readSigningRoot, type SigningRoot } from './signing-root.ts';
import { type TrustedBundle, trustedBundle } from './trusted-bundle.ts';

export interface RootKeeperOptions {
  readonly store: AuthorityStore;
  /** Makes a new self-signed CA. */
  makeRoot(): Promise<AuthorityPem>;
  /** Roots that are to be trusted beside the CA's own, PEM: of a signer outside. */
  readonly extraRootPem?: string;
  /** How long a new root is published before it signs, at least: other trust domains ask for the bundle and report nothing. 0 for none. */
  readonly publishForMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What the outside needs to know of the keeper's state at one moment. */
export interface KeeperView {
  readonly rotation: Rotation;
  readonly bundle: TrustedBundle;
  /** The signer in use, with the whole bundle as its roots. */
  readonly authority: Authority;
  readonly signers: ReadonlyMap<string, SigningRoot>;
  readonly kept: Readonly<Record<string, KeptSigner>>;
  readonly revoked: readonly RevokedCertificate[];
}

/** Attempts to write against other replicas before giving up. */
const MAX_CONFLICTS = 8;
const LEDGER_WRITE_MS = 500;
/** One part in so many of the time goes into writing the ledger. */
const LEDGER_WRITE_SHARE = 30;
const CHECK_MS = 100;

/**
 * Keeps the CA's roots and moves them: holds the state in the store, writes each step before its effects are seen by anybody, looks for
 * the proofs that a rotation waits for. All changes go through one queue; replicas that write at once are told apart by the store's
 * revision, and the one that comes second reads again and decides anew.
 */
export class RootKeeper {
  readonly ledger = new Ledger();
  readonly #options: RootKeeperOptions;
  readonly #listeners = new Set<(view: KeeperView) => void>();
  #document: CaDocument | undefined;
  #revision: string | undefined;
  #view: KeeperView | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #ledgerTimer: (() => void) | undefined;
  #ledgerWriteMs = LEDGER_WRITE_MS;
  #checkTimer: (() => void) | undefined;
  #closed = false;
  #warnedOf = '';
  #revokedSerials: ReadonlySet<string> = new Set();

  constructor(options: RootKeeperOptions) {
    this.#options = options;
  }

  /** Reads the state, or founds it on the CA that is there, or makes one. Throws what the store throws. */
  async open(): Promise<KeeperView> {
    const { store, clock } = this.#options;
    await this.#enqueue(async () => {
      if (await this.#reload()) return;
      const pluggedIn = await store.pluggedIn();
      const pem = pluggedIn ?? (await store.createIfAbsent(this.#options.makeRoot));
      const root = unwrap(readSigningRoot(pem, clock.now()));
      const document: CaDocument = {
        format: 1,
        rotation: initialRotation(root.id, clock.now()),
        signers: { [root.id]: { kind: pluggedIn === undefined ? 'self-signed' : 'plugged-in', pem, anchors: [root.anchor] } },
        ledger: { instances: [], leaves: [] },
        revoked: [],
        crlNumber: 0,
      };
      if (!(await this.#save(document)) && !(await this.#reload()))
        throw new XebecError('E_CA_STORE', `the state in ${store.description} comes and goes; is it deleted by somebody?`);
    });
    const { extraRootPem = '' } = this.#options;
    await this.#change((document) =>
      (document.extraRootPem ?? '') === extraRootPem ? undefined : this.#reduced({ ...document, extraRootPem }, { type: 'bundle-changed' }),
    );
    const view = this.#view;
    if (view === undefined) throw new XebecError('E_CA_STORE', `no state could be read from ${store.description}`);
    this.#check();
    return view;
  }
  view(): KeeperView | undefined {
    return this.#view;
  }
  subscribe(listener: (view: KeeperView) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  /** Fingerprints that the root of a signer has had. */
  anchorsOf(signer: string): readonly string[] {
    return this.#document?.signers[signer]?.anchors ?? [];
  }
  waitingFor(): readonly Blocker[] {
    const rotation = this.#document?.rotation;
    return rotation === undefined ? [] : this.#blockers(rotation, (id) => this.anchorsOf(id));
  }
  #blockers(rotation: Rotation, anchorsOf: AnchorsOf): readonly Blocker[] {
    const { clock, publishForMs = 0 } = this.#options;
    const now = clock.now();
    return [...publicationBlocker(rotation, publishForMs, now), ...blockers(rotation, this.ledger, anchorsOf, now)];
  }
  /** Writes down a certificate before it is handed out. */
  issued(identity: string, leaf: { readonly serialNumber: string; readonly notAfter: number }): void {
    const rotation = this.#document?.rotation;
    if (rotation === undefined) return;
    const entry: UnclaimedLeaf = {
      identity,
      serial: leaf.serialNumber,
      signer: rotation.active,
      notAfter: leaf.notAfter,
      bundleVersion: rotation.bundleVersion,
    };
    this.ledger.issued(entry);
    this.#ledgerChanged();
  }
  /** Takes what an agent says; false when there are too many. */
  reported(instance: Instance): boolean {
    const taken = this.ledger.reported(instance);
    this.#ledgerChanged();
    this.#checkSoon();
    return taken;
  }
  /** Looks again whether the present phase is proven; to be called where something changed outside. */
  check(): void {
    this.#checkSoon();
  }
  /** Starts to go over to a new self-signed root; `paused`: it stops before the next phase. */
  async rotate({ paused = false } = {}): Promise<void> {
    const { clock, store } = this.#options;
    const { rotation, signers } = this.#known();
    if (signers[rotation.active]?.kind === 'plugged-in' && (await store.pluggedIn()) !== undefined)
      throw new XebecError('E_ROTATION', 'the CA is plugged in: put another in its place and the rotation follows, or take it away first');
    const answer = reduce(rotation, { type: 'begin', target: 'new', at: clock.now() });
    if (!answer.ok) throw new XebecError('E_ROTATION', answer.reason);
    await this.adopt(await this.#options.makeRoot(), 'self-signed', { paused });
  }
  /** Goes over to a signer: at once where its root is the present one, by a rotation where it is another. */
  async adopt(pem: AuthorityPem, kind: KeptSigner['kind'], { paused = false } = {}): Promise<void> {
    const root = unwrap(readSigningRoot(pem, this.#options.clock.now()));
    await this.#change((document) => {
      const { active } = document.rotation;
      const signer: KeptSigner = { kind, pem, anchors: [root.anchor] };
      const signers = { ...document.signers, [root.id]: signer };
      if (document.signers[active]?.anchors.includes(root.anchor) === true) {
        const { [active]: _, ...others } = signers;
        if (root.id !== active) return this.#reduced({ ...document, signers: others }, { type: 'replaced', signer: active, by: root.id });
        // The same signer with another bundle or chain.
        return this.#reduced({ ...document, signers }, { type: 'bundle-changed' });
      }
      return this.#reduced({ ...document, signers }, { type: 'begin', target: root.id, at: this.#options.clock.now(), paused });
    });
  }
  /** Exchanges the present root for one with the same key and subject: what the old has signed is good by the new as well. */
  async renewWithSameKey(signer: string, pem: AuthorityPem): Promise<void> {
    const root = unwrap(readSigningRoot(pem, this.#options.clock.now()));
    await this.#change((document) => {
      const { [signer]: old, ...others } = document.signers;
      if (old === undefined) return undefined;
      const renewed: KeptSigner = { kind: old.kind, pem, anchors: [root.anchor, ...old.anchors].slice(0, 8) };
      return this.#reduced({ ...document, signers: { ...others, [root.id]: renewed } }, { type: 'replaced', signer, by: root.id });
    });
  }
  async command(event: Extract<RotationEvent, { type: 'pause' | 'resume' | 'step' | 'rollback' | 'skip' }>): Promise<void> {
    await this.#change((document) => this.#reduced(document, event));
    this.#checkSoon();
  }
  isRevoked(serial: string): boolean {
    return this.#revokedSerials.has(serial);
  }
  /** Revokes what a serial number or a SPIFFE ID names; what is revoked already stays as it is. Resolves to how many there are. */
  async revoke(argument: string): Promise<number> {
    const { clock } = this.#options;
    const view = this.#view;
    if (view === undefined) throw new XebecError('E_CA_STORE', 'the roots are not loaded yet, try again');
    const active = { id: view.rotation.active, certificate: view.authority.certificate };
    const certificates = certificatesToRevoke(argument, this.ledger, active, clock.now());
    await this.#revokeAll(certificates);
    return certificates.length;
  }
  /** Makes the revocation lists anew before they are out of date. */
  async renewRevocationLists(): Promise<void> {
    await this.#change((document) =>
      this.#view?.bundle.crlPem === ''
        ? undefined
        : this.#reduced({ ...document, crlNumber: document.crlNumber + 1 }, { type: 'bundle-changed' }),
    );
  }
  async #revokeAll(certificates: readonly RevokedCertificate[]): Promise<void> {
    await this.#change((document) => {
      const known = new Set(document.revoked.map(({ serial }) => serial));
      const revoked = [...document.revoked, ...certificates.filter(({ serial }) => !known.has(serial))];
      if (revoked.length > MAX_REVOKED)
        throw new XebecError('E_ROTATION', `more than ${MAX_REVOKED} certificates cannot be revoked; rotate the root`);
      return this.#reduced({ ...document, revoked, crlNumber: document.crlNumber + 1 }, { type: 'bundle-changed' });
    });
  }
  /** Reads what other replicas have written. */
  async refresh(): Promise<void> {
    await this.#enqueue(async () => {
      const stored = await this.#options.store.loadState();
      if (stored !== undefined && stored.revision !== this.#revision) this.#take(stored.bytes, stored.revision);
    });
    this.#checkSoon();
  }
  /** Writes what is not yet written. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#checkTimer?.();
    const dirty = this.#ledgerTimer !== undefined;
    this.#ledgerTimer?.();
    this.#ledgerTimer = undefined;
    this.#listeners.clear();
    if (dirty) await this.#writeLedger().catch(() => undefined);
    await this.#queue.catch(() => undefined);
  }

  #known(): CaDocument {
    if (this.#document === undefined) throw new XebecError('E_CA_STORE', 'the roots are not loaded yet, try again');
    return this.#document;
  }
  #reduced(document: CaDocument, event: RotationEvent): CaDocument {
    const answer = reduce(document.rotation, event);
    if (!answer.ok) throw new XebecError('E_ROTATION', answer.reason);
    return { ...document, rotation: answer.state };
  }
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work, work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
  /** Decides on the newest document and writes; on a conflict reads and decides anew. `decide` returns undefined for no change. */
  async #change(decide: (document: CaDocument) => CaDocument | undefined): Promise<void> {
    await this.#enqueue(async () => {
      for (let attempt = 0; attempt < MAX_CONFLICTS; attempt++) {
        const next = decide(this.#known());
        if (next === undefined || (await this.#save(next))) return;
        await this.#reload();
      }
      throw new XebecError('E_CA_STORE', `${this.#options.store.description} is changed by others all the time`);
    });
  }
  async #save(document: CaDocument): Promise<boolean> {
    const { rotation } = document;
    const used = new Set([rotation.active, rotation.other, rotation.declined]);
    const now = this.#options.clock.now();
    this.ledger.prune(now);
    const written: CaDocument = {
      ...document,
      // A signer that signs nothing any more and was not rolled back from is forgotten, key and all.
      signers: Object.fromEntries(Object.entries(document.signers).filter(([id]) => used.has(id))),
      revoked: document.revoked.filter(({ notAfter }) => notAfter > now),
      ledger: this.ledger.snapshot(),
    };
    const revision = await this.#options.store.saveState(encodeDocument(written), this.#revision);
    if (revision === undefined) return false;
    this.#revision = revision;
    await this.#accept(written);
    return true;
  }
  async #reload(): Promise<boolean> {
    const stored = await this.#options.store.loadState();
    if (stored === undefined) {
      this.#revision = undefined;
      return false;
    }
    this.#take(stored.bytes, stored.revision);
    return true;
  }
  #take(bytes: Uint8Array, revision: string): void {
    const document = decodeDocument(bytes, `the state in ${this.#options.store.description}`);
    this.ledger.restore(document.ledger);
    this.#revision = revision;
    void this.#accept(document);
  }
  /** Makes a document that is written the one in force. */
  async #accept(document: CaDocument): Promise<void> {
    const before = this.#document;
    this.#document = document;
    if (before !== undefined && sameRoots(before, document)) return;
    const { store, clock, logger } = this.#options;
    const signers = new Map<string, SigningRoot>();
    for (const [id, kept] of Object.entries(document.signers)) {
      const root = readSigningRoot(kept.pem, clock.now());
      if (root.ok) signers.set(id, root.value);
      else logger.error({ code: root.error.code }, `a CA of ${store.description} cannot be used: ${root.error.message}`);
    }
    const { rotation } = document;
    const active = signers.get(rotation.active);
    if (active === undefined) throw new XebecError('E_CA_STORE', `the CA that signs cannot be used; see ${store.description}`);
    const crls = revocationLists(document.revoked, signers, document.crlNumber, clock.now(), (text) =>
      logger.warn({ code: 'E_CRL' }, text),
    );
    this.#revokedSerials = new Set(document.revoked.map(({ serial }) => serial));
    const bundle = trustedBundle(rotation, signers, crls, document.extraRootPem ?? '');
    const authority = { ...active.authority, rootPem: bundle.rootPem };
    const view: KeeperView = { rotation, bundle, authority, signers, kept: document.signers, revoked: document.revoked };
    this.#view = view;
    if (before?.rotation.phase !== rotation.phase || before.rotation.active !== rotation.active) {
      logger.info({ phase: rotation.phase, root: active.anchor.slice(0, 16), bundleVersion: rotation.bundleVersion }, 'roots');
    }
    for (const listener of [...this.#listeners]) listener(view);
    const selfSigned = document.signers[rotation.active]?.kind === 'self-signed';
    for (const shown of [
      store.publishBundle?.(bundle.rootPem),
      selfSigned ? store.publish({ ...active.pem, root: bundle.rootPem }) : undefined,
    ]) {
      await shown?.catch((error: unknown) =>
        logger.warn({ code: 'E_CA_STORE' }, `the root in ${store.description} is not up to date: ${errorText(error).slice(0, 200)}`),
      );
    }
  }
  #ledgerChanged(): void {
    if (this.#closed || this.#ledgerTimer !== undefined) return;
    this.#ledgerTimer = this.#options.clock.setTimeout(() => {
      this.#ledgerTimer = undefined;
      this.#writeLedger().catch((error: unknown) => {
        this.#options.logger.warn({ code: 'E_CA_STORE' }, `the ledger is not written: ${errorText(error).slice(0, 200)}`);
        this.#ledgerChanged();
      });
    }, this.#ledgerWriteMs);
  }
  async #writeLedger(): Promise<void> {
    const { clock } = this.#options;
    const start = clock.monotonic();
    await this.#change((document) => ({ ...document }));
    // A ledger of many leaves takes tens of milliseconds: that must not become what Citadel does most.
    this.#ledgerWriteMs = Math.max(LEDGER_WRITE_MS, (clock.monotonic() - start) * LEDGER_WRITE_SHARE);
  }
  #checkSoon(): void {
    if (this.#closed || this.#checkTimer !== undefined) return;
    this.#checkTimer = this.#options.clock.setTimeout(() => {
      this.#checkTimer = undefined;
      this.#check();
    }, CHECK_MS);
  }
  #check(): void {
    const rotation = this.#document?.rotation;
    if (this.#closed || rotation === undefined || rotation.phase === 'steady') return;
    // Certificates expire without a word.
    this.#checkAgainIn(1000);
    if (rotation.paused) return;
    const { clock, logger } = this.#options;
    this.#change((document) => {
      if (document.rotation.phase === 'steady' || document.rotation.paused) return undefined;
      const waiting = this.#blockers(document.rotation, (id) => document.signers[id]?.anchors ?? []);
      this.#warnOf(document.rotation, waiting);
      if (waiting.length > 0) return undefined;
      return this.#reduced(document, { type: 'proven', at: clock.now() });
    }).then(
      () => undefined,
      (error: unknown) => logger.warn({ code: 'E_CA_STORE' }, `the rotation cannot go on: ${errorText(error).slice(0, 200)}`),
    );
  }
  #checkAgainIn(delayMs: number): void {
    this.#checkTimer ??= this.#options.clock.setTimeout(() => {
      this.#checkTimer = undefined;
      this.#check();
    }, delayMs);
  }
  /** Waiting long is no failure, but somebody should look; once per phase and minute. */
  #warnOf(rotation: Rotation, waiting: readonly Blocker[]): void {
    const minutes = Math.floor((this.#options.clock.now() - rotation.since) / 60_000);
    const key = `${rotation.phase} ${rotation.since} ${minutes}`;
    if (minutes === 0 || waiting.length === 0 || key === this.#warnedOf) return;
    this.#warnedOf = key;
    const names = waiting.slice(0, 5).map(({ id, reason }) => `${id} (${reason})`);
    this.#options.logger.warn(
      { phase: rotation.phase, waitingFor: waiting.length },
      `the rotation waits for ${waiting.length} since ${minutes} min: ${names.join('; ')}; "xebec ca rotate --skip ID" goes on without one`,
    );
  }
}

/** Whether two documents mean the same to everybody but the ledger. */
function sameRoots(a: CaDocument, b: CaDocument): boolean {
  return (
    JSON.stringify([a.rotation, Object.keys(a.signers), a.crlNumber]) === JSON.stringify([b.rotation, Object.keys(b.signers), b.crlNumber])
  );
}
