import { XebecError } from '@xebec/core';
import type { AuthorityStore } from '../authority-store.ts';
import { type CaDocument, decodeDocument, encodeDocument } from './document.ts';

export interface DocumentStoreOptions<View> {
  readonly store: AuthorityStore;
  /** What is written in place of a document that was decided on: with the present ledger, without what is of no more use. */
  written(document: CaDocument): CaDocument;
  /** Told of each document that another replica, or this one before a crash, has written; before anything is decided on it. */
  heard(document: CaDocument): void;
  /** Told of the document in force whenever it was read or written, also when it is the same. */
  upToDate?(document: CaDocument): void;
  /** Makes of a document what is shown of it; `known` is what was made before. What it throws keeps the document from being written. */
  makeView(document: CaDocument, known: { readonly document: CaDocument; readonly view: View } | undefined): Promise<View>;
  /** Shows what is written, to everybody. */
  inForce(view: View, document: CaDocument): Promise<void>;
}

/** Attempts to write against other replicas before giving up. */
const MAX_CONFLICTS = 8;

/**
 * The CA's document in its store. All changes go through one queue; replicas that write at once are told apart by the store's revision,
 * and the one that comes second reads again and decides anew. Nothing is in force before it is written.
 */
export class DocumentStore<View> {
  readonly #options: DocumentStoreOptions<View>;
  #current: { readonly document: CaDocument; readonly view: View } | undefined;
  #revision: string | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: DocumentStoreOptions<View>) {
    this.#options = options;
  }
  document(): CaDocument | undefined {
    return this.#current?.document;
  }
  view(): View | undefined {
    return this.#current?.view;
  }
  /** The document in force; throws before there is one. */
  known(): CaDocument {
    if (this.#current === undefined) throw new XebecError('E_CA_STORE', 'the roots are not loaded yet, try again');
    return this.#current.document;
  }
  /** Reads the document, or writes a first one. */
  async open(found: () => Promise<CaDocument>): Promise<void> {
    await this.#enqueue(async () => {
      if (await this.#reload()) return;
      if (!(await this.#save(await found())) && !(await this.#reload()))
        throw new XebecError('E_CA_STORE', `the state in ${this.#options.store.description} comes and goes; is it deleted by somebody?`);
    });
  }
  /** Decides on the newest document and writes; on a conflict reads and decides anew. `decide` returns undefined for no change. */
  async change(decide: (document: CaDocument) => CaDocument | undefined): Promise<void> {
    await this.#enqueue(async () => {
      for (let attempt = 0; attempt < MAX_CONFLICTS; attempt++) {
        const next = decide(this.known());
        if (next === undefined || (await this.#save(next))) return;
        await this.#reload();
      }
      throw new XebecError('E_CA_STORE', `${this.#options.store.description} is changed by others all the time`);
    });
  }
  /** Reads what other replicas have written. */
  async refresh(): Promise<void> {
    await this.#enqueue(async () => {
      const stored = await this.#options.store.loadState();
      if (stored !== undefined && stored.revision !== this.#revision) await this.#take(stored.bytes, stored.revision);
      else if (this.#current !== undefined) this.#options.upToDate?.(this.#current.document);
    });
  }
  /** Waits for everything that was begun. */
  async idle(): Promise<void> {
    await this.#queue.catch(() => undefined);
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work, work);
    this.#queue = result.catch(() => undefined);
    return result;
  }
  async #save(document: CaDocument): Promise<boolean> {
    const { store, written, makeView } = this.#options;
    const next = written(document);
    const view = await makeView(next, this.#current);
    const revision = await store.saveState(encodeDocument(next), this.#revision);
    if (revision === undefined) return false;
    await this.#install(next, view, revision);
    return true;
  }
  async #reload(): Promise<boolean> {
    const stored = await this.#options.store.loadState();
    if (stored === undefined) {
      this.#revision = undefined;
      return false;
    }
    await this.#take(stored.bytes, stored.revision);
    return true;
  }
  async #take(bytes: Uint8Array, revision: string): Promise<void> {
    const document = decodeDocument(bytes, `the state in ${this.#options.store.description}`);
    this.#options.heard(document);
    await this.#install(document, await this.#options.makeView(document, this.#current), revision);
  }
  async #install(document: CaDocument, view: View, revision: string): Promise<void> {
    const before = this.#current?.view;
    this.#revision = revision;
    this.#current = { document, view };
    this.#options.upToDate?.(document);
    if (view !== before) await this.#options.inForce(view, document);
  }
}
