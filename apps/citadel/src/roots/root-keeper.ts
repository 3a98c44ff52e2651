import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import { unwrap } from '@xebec/identity';
import type { AuthorityPem, AuthorityStore } from '../authority-store.ts';
import type { KeyManager } from '../key-manager/key-manager.ts';
import { type Instance, Ledger } from '../rotation/ledger.ts';
import { LedgerWriter } from '../rotation/ledger-writer.ts';
import { type AnchorsOf, type Blocker, blockers, publicationBlocker } from '../rotation/proof.ts';
import { ProofWatch } from '../rotation/proof-watch.ts';
import { Replicas } from '../rotation/replicas.ts';
import { initialRotation, type Rotation, type RotationEvent, reduce } from '../rotation/rotation.ts';
import { unwrittenLeaf } from '../rotation/unwritten-leaf.ts';
import type { CaDocument, KeptSigner, RevokedCertificate } from './document.ts';
import { DocumentStore } from './document-store.ts';
import { type KeeperView, makeKeeperView, sameRoots } from './keeper-view.ts';
import type { MadeRoot } from './made-root.ts';
import { certificatesToRevoke, MAX_REVOKED } from './revocation-lists.ts';
import { readSigningRoot } from './signing-root.ts';

export interface RootKeeperOptions {
  readonly store: AuthorityStore;
  /** Makes a new self-signed CA. */
  makeRoot(): Promise<MadeRoot>;
  /** Where the keys of roots are that are not in the document. */
  readonly keys?: Pick<KeyManager, 'load' | 'remove'>;
  /** Roots that are to be trusted beside the CA's own, PEM: of a signer outside. */
  readonly extraRootPem?: string;
  /** How long a new root is published before it signs, at least: other trust domains ask for the bundle and report nothing. 0 for none. */
  readonly publishForMs?: number;
  /** This Citadel's name among those that share the state, the same after a restart; absent: there is no other. */
  readonly replica?: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps the CA's roots and moves them: each step is written before its effects are seen by anybody, and taken when the proof for it is
 * there. What lies where: the document in `DocumentStore`, who holds which certificate in `Ledger`, what the outside sees in `KeeperView`.
 */
export class RootKeeper {
  readonly ledger = new Ledger();
  readonly #options: RootKeeperOptions;
  readonly #listeners = new Set<(view: KeeperView) => void>();
  readonly #documents: DocumentStore<KeeperView>;
  readonly #writer: LedgerWriter;
  readonly #watch: ProofWatch;
  readonly #replicas: Replicas | undefined;
  #shownStep = '';
  #closing = false;
  #keyNames: ReadonlySet<string> = new Set();

  constructor(options: RootKeeperOptions) {
    this.#options = options;
    const { store, clock, logger, replica } = options;
    this.#replicas = replica === undefined ? undefined : new Replicas(replica, clock);
    const sources = { where: store.description, loadKey: async (name: string) => await options.keys?.load(name), clock, logger };
    this.#documents = new DocumentStore<KeeperView>({
      store,
      written: (document) => this.#written(document),
      heard: (document) => this.ledger.restore(document.ledger),
      upToDate: ({ replicas = {} }) => this.#replicas?.read(replicas),
      makeView: async (document, known) =>
        known !== undefined && sameRoots(known.document, document) ? known.view : await makeKeeperView(document, known?.view, sources),
      inForce: (view, document) => this.#show(view, document),
    });
    const write = () => this.#documents.change((document) => ({ ...document }));
    this.#writer = new LedgerWriter({ write, clock, logger });
    this.#watch = new ProofWatch({ rotation: () => this.#rotation(), prove: () => this.#prove(), clock, logger });
  }

  /** Reads the state, or founds it on the CA that is there, or makes one. Throws what the store throws. */
  async open(): Promise<KeeperView> {
    const { store, clock } = this.#options;
    await this.#documents.open(() => this.#firstDocument());
    const found = this.#documents.known();
    const { extraRootPem = '' } = this.#options;
    await this.#documents.change((document) =>
      (document.extraRootPem ?? '') === extraRootPem ? undefined : reduced({ ...document, extraRootPem }, { type: 'bundle-changed' }),
    );
    await this.#mark();
    const unwritten = unwrittenLeaf(found, clock.now());
    if (unwritten !== undefined) {
      this.ledger.issued(unwritten);
      this.#writer.changed();
    }
    const view = this.view();
    if (view === undefined) throw new XebecError('E_CA_STORE', `no state could be read from ${store.description}`);
    this.#watch.changed();
    return view;
  }
  view(): KeeperView | undefined {
    return this.#documents.view();
  }
  subscribe(listener: (view: KeeperView) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
  /** Fingerprints that the root of a signer has had. */
  anchorsOf(signer: string): readonly string[] {
    return this.#documents.document()?.signers[signer]?.anchors ?? [];
  }
  waitingFor(): readonly Blocker[] {
    const rotation = this.#rotation();
    return rotation === undefined ? [] : this.#blockers(rotation, (id) => this.anchorsOf(id));
  }
  /**
   * Writes down a certificate that `view` has signed, before it is handed out: false when the mesh has gone on since, so that it must
   * not be. A promise while a rotation goes on: then it is waited for until the ledger is written, because no proof may miss it.
   */
  issued(
    identity: string,
    leaf: { readonly serialNumber: string; readonly notAfter: number },
    view = this.view(),
  ): boolean | Promise<boolean> {
    if (view === undefined) return true;
    const { active, bundleVersion } = view.rotation;
    const current = () => {
      const rotation = this.#rotation();
      if (this.#replicas?.lapsed(this.#documents.document()?.replicas ?? {}) === true) return false;
      return rotation?.active === active && rotation.bundleVersion === bundleVersion;
    };
    if (!current()) return false;
    const { serialNumber: serial, notAfter } = leaf;
    this.ledger.issued({ identity, serial, signer: active, notAfter, bundleVersion }, this.#options.clock.now());
    this.#writer.changed();
    if (view.rotation.phase === 'steady') return true;
    return this.#writer.written().then(() => {
      if (current()) return true;
      this.ledger.withdrawn(serial);
      return false;
    });
  }
  /** Takes what an agent says; false when there are too many. */
  reported(instance: Instance): boolean {
    const taken = this.ledger.reported(instance);
    this.#writer.changed();
    this.#watch.changed();
    return taken;
  }
  /** Looks again whether the present phase is proven; to be called where something changed outside. */
  check(): void {
    this.#watch.changed();
  }
  /** Starts to go over to a new self-signed root; `paused`: it stops before the next phase. */
  async rotate({ paused = false } = {}): Promise<void> {
    const { clock, store } = this.#options;
    const { rotation, signers } = this.#documents.known();
    if (signers[rotation.active]?.kind === 'plugged-in' && (await store.pluggedIn()) !== undefined)
      throw new XebecError('E_ROTATION', 'the CA is plugged in: put another in its place and the rotation follows, or take it away first');
    const answer = reduce(rotation, { type: 'begin', target: 'new', at: clock.now() });
    if (!answer.ok) throw new XebecError('E_ROTATION', answer.reason);
    await this.adopt(await this.#options.makeRoot(), 'self-signed', { paused });
  }
  /** Goes over to a signer: at once where its root is the present one, by a rotation where it is another. */
  async adopt(made: MadeRoot, kind: KeptSigner['kind'], { paused = false } = {}): Promise<void> {
    const { root, signer } = await this.#read(made, kind);
    await this.#documents.change((document) => {
      const { active } = document.rotation;
      const signers = { ...document.signers, [root.id]: signer };
      if (document.signers[active]?.anchors.includes(root.anchor) === true) {
        const { [active]: _, ...others } = signers;
        if (root.id !== active) return reduced({ ...document, signers: others }, { type: 'replaced', signer: active, by: root.id });
        // The same signer with another bundle or chain.
        return reduced({ ...document, signers }, { type: 'bundle-changed' });
      }
      return reduced({ ...document, signers }, { type: 'begin', target: root.id, at: this.#options.clock.now(), paused });
    });
    this.#watch.changed();
  }
  /** Exchanges the present root for one with the same key and subject: what the old has signed is good by the new as well. */
  async renewWithSameKey(signer: string, pem: AuthorityPem): Promise<void> {
    const { keyName } = this.#documents.known().signers[signer] ?? {};
    const { root, signer: kept } = await this.#read({ ...pem, ...(keyName === undefined ? {} : { keyName }) }, 'self-signed');
    await this.#documents.change((document) => {
      const { [signer]: old, ...others } = document.signers;
      if (old === undefined) return undefined;
      const renewed: KeptSigner = { ...kept, kind: old.kind, anchors: [root.anchor, ...old.anchors].slice(0, 8) };
      return reduced({ ...document, signers: { ...others, [root.id]: renewed } }, { type: 'replaced', signer, by: root.id });
    });
  }
  async command(event: Extract<RotationEvent, { type: 'pause' | 'resume' | 'step' | 'rollback' | 'skip' }>): Promise<void> {
    await this.#documents.change((document) => reduced(document, event));
    this.#watch.changed();
  }
  isRevoked(serial: string): boolean {
    return this.view()?.revokedSerials.has(serial) === true;
  }
  /** Revokes what a serial number or a SPIFFE ID names; what is revoked already stays as it is. Resolves to how many there are. */
  async revoke(argument: string): Promise<number> {
    const { clock } = this.#options;
    const view = this.view();
    if (view === undefined) throw new XebecError('E_CA_STORE', 'the roots are not loaded yet, try again');
    const active = { id: view.rotation.active, certificate: view.authority.certificate };
    const certificates = certificatesToRevoke(argument, this.ledger, active, clock.now());
    await this.#revokeAll(certificates);
    return certificates.length;
  }
  /** Makes the revocation lists anew before they are out of date. */
  async renewRevocationLists(): Promise<void> {
    await this.#documents.change((document) =>
      this.view()?.bundle.crlPem === ''
        ? undefined
        : reduced({ ...document, crlNumber: document.crlNumber + 1 }, { type: 'bundle-changed' }),
    );
  }
  async #revokeAll(certificates: readonly RevokedCertificate[]): Promise<void> {
    await this.#documents.change((document) => {
      const known = new Set(document.revoked.map(({ serial }) => serial));
      const revoked = [...document.revoked, ...certificates.filter(({ serial }) => !known.has(serial))];
      if (revoked.length > MAX_REVOKED)
        throw new XebecError('E_ROTATION', `more than ${MAX_REVOKED} certificates cannot be revoked; rotate the root`);
      return reduced({ ...document, revoked, crlNumber: document.crlNumber + 1 }, { type: 'bundle-changed' });
    });
  }
  /** Reads what other replicas have written. */
  async refresh(): Promise<void> {
    await this.#documents.refresh();
    await this.#mark();
    this.#watch.changed();
  }
  /** Writes what is not yet written. */
  async close(): Promise<void> {
    this.#watch.close();
    this.#listeners.clear();
    this.#closing = true;
    this.#writer.close();
    await this.#documents.change((document) => (document.clean === true ? undefined : document)).catch(() => undefined);
  }

  /** Says to other Citadels that this one is there and what it has taken up. */
  async #mark(): Promise<void> {
    const { rotation, replicas = {} } = this.#documents.known();
    if (this.#replicas?.due(replicas, rotation) === true) await this.#documents.change((document) => ({ ...document }));
  }
  #rotation(): Rotation | undefined {
    return this.#documents.document()?.rotation;
  }
  async #firstDocument(): Promise<CaDocument> {
    const { store, clock, keys, makeRoot } = this.#options;
    const pluggedIn = await store.pluggedIn();
    const made: MadeRoot = pluggedIn ?? (keys === undefined ? await store.createIfAbsent(makeRoot) : await makeRoot());
    const { root, signer } = await this.#read(made, pluggedIn === undefined ? 'self-signed' : 'plugged-in');
    return {
      format: 1,
      rotation: initialRotation(root.id, clock.now()),
      signers: { [root.id]: signer },
      ledger: { instances: [], leaves: [] },
      revoked: [],
      crlNumber: 0,
    };
  }
  /** Checks a CA wholly. */
  async #read({ keyName, ...pem }: MadeRoot, kind: KeptSigner['kind']) {
    const key = keyName === undefined ? undefined : await this.#options.keys?.load(keyName);
    const root = unwrap(readSigningRoot(pem, this.#options.clock.now(), key));
    const signer: KeptSigner = { kind, pem, anchors: [root.anchor], ...(keyName === undefined ? {} : { keyName }) };
    return { root, signer };
  }
  #blockers(rotation: Rotation, anchorsOf: AnchorsOf): readonly Blocker[] {
    const { clock, publishForMs = 0 } = this.#options;
    const now = clock.now();
    const citadels = this.#replicas?.blockers(this.#documents.document()?.replicas ?? {}, rotation) ?? [];
    if (rotation.phase === 'steady') return [];
    return [...citadels, ...publicationBlocker(rotation, publishForMs, now), ...blockers(rotation, this.ledger, anchorsOf, now)];
  }
  async #prove(): Promise<readonly Blocker[]> {
    let waiting: readonly Blocker[] = [];
    await this.#documents.change((document) => {
      const { rotation, signers } = document;
      if (rotation.phase === 'steady' || rotation.paused) return undefined;
      waiting = this.#blockers(rotation, (id) => signers[id]?.anchors ?? []);
      return waiting.length > 0 ? undefined : reduced(document, { type: 'proven', at: this.#options.clock.now() });
    });
    return waiting;
  }
  #written(document: CaDocument): CaDocument {
    const { rotation, signers, revoked } = document;
    const used = new Set([rotation.active, rotation.other, rotation.declined]);
    const now = this.#options.clock.now();
    this.ledger.prune(now);
    return {
      ...document,
      // A signer that signs nothing any more and was not rolled back from is forgotten, key and all.
      signers: Object.fromEntries(Object.entries(signers).filter(([id]) => used.has(id))),
      revoked: revoked.filter(({ notAfter }) => notAfter > now),
      ledger: this.ledger.snapshot(),
      clean: this.#closing,
      ...(this.#replicas === undefined ? {} : { replicas: this.#replicas.marked(document.replicas ?? {}, rotation, this.#closing) }),
    };
  }
  /** Tells everybody of what is written. */
  async #show(view: KeeperView, document: CaDocument): Promise<void> {
    const { store, logger } = this.#options;
    const { phase, active, bundleVersion } = view.rotation;
    const signer = view.signers.get(active);
    const step = `${phase} ${active}`;
    if (step !== this.#shownStep) logger.info({ phase, root: signer?.anchor.slice(0, 16), bundleVersion }, 'roots');
    this.#shownStep = step;
    for (const listener of [...this.#listeners]) listener(view);
    await this.#forgetKeys(document);
    const { rootPem } = view.bundle;
    const kept = document.signers[active];
    const own = kept?.kind === 'self-signed' && kept.keyName === undefined && signer !== undefined;
    for (const shown of [store.publishBundle?.(rootPem), own ? store.publish({ ...signer.pem, root: rootPem }) : undefined]) {
      await shown?.catch((error: unknown) =>
        logger.warn({ code: 'E_CA_STORE' }, `the root in ${store.description} is not up to date: ${errorText(error).slice(0, 200)}`),
      );
    }
  }
  /** A key elsewhere goes with the last document that names it. */
  async #forgetKeys(document: CaDocument): Promise<void> {
    const { keys, logger } = this.#options;
    const named = new Set(Object.values(document.signers).flatMap(({ keyName }) => keyName ?? []));
    const gone = [...this.#keyNames].filter((name) => !named.has(name));
    this.#keyNames = named;
    for (const name of gone)
      await keys
        ?.remove(name)
        .catch((error: unknown) =>
          logger.warn({ code: 'E_KEY_STORE' }, `the key ${name} is not removed: ${errorText(error).slice(0, 200)}`),
        );
  }
}

function reduced(document: CaDocument, event: RotationEvent): CaDocument {
  const answer = reduce(document.rotation, event);
  if (!answer.ok) throw new XebecError('E_ROTATION', answer.reason);
  return { ...document, rotation: answer.state };
}
