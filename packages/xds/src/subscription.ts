import { differingNames, type EncodedResource, type ResourceMap } from './resource.ts';

/** The version of a name that the proxy was told does not exist. */
export const ABSENT = '';

/** What stands between what a proxy was sent and what it should have. */
export interface Difference {
  /** To send: new or changed. */
  readonly changed: readonly EncodedResource[];
  /** Names that were sent and are gone, or were asked for and never existed. */
  readonly gone: readonly string[];
}

/** How far a proxy is with one resource. */
export interface ResourceStatus {
  readonly name: string;
  readonly state: 'synced' | 'pending' | 'rejected';
  readonly sent: string;
  /** The version it runs, as far as it has told; empty: none yet. */
  readonly acked: string;
  readonly error?: string;
}

const NOTHING: Difference = { changed: [], gone: [] };

/** What one stream wants of one type, has been sent, and has accepted. */
export class Subscription {
  readonly typeUrl: string;
  #wildcard = false;
  readonly names = new Set<string>();
  /** Version by name of everything that was sent and is still of interest. */
  readonly sent = new Map<string, string>();
  /** Responses that wait for their ACK: nonce → name → version. */
  readonly inFlight = new Map<string, ReadonlyMap<string, string>>();
  /** Names and versions of refused responses: sent again only together with a change to one of them. */
  readonly rejected = new Map<string, string>();
  /** Responses that a later one overtook before their answer came. */
  readonly #overtaken = new Map<string, ReadonlyMap<string, string>>();
  /** The accepted version, or ABSENT, of each name whose newer version is on the way or was refused. */
  readonly #before = new Map<string, string>();
  /** What the last response that replaces everything contained (SotW CDS and LDS). */
  content: ResourceMap = new Map();
  lastNonce = '';
  ackedNonce = '';
  /** The last nonce that was accepted or refused. */
  answeredNonce = '';
  /** The first response must come even when it is empty: the proxy waits for it. */
  owesFirst = false;
  lastError: string | undefined;
  #requested: readonly string[] = [];
  /** The map that was compared last with nothing left to send, except for what was touched since: the rest need not be looked at. */
  #settledWith: ResourceMap | undefined;
  readonly #touched = new Set<string>();
  readonly #intern: (name: string) => string;

  /** `intern` gives the string that others hold for the same name, so that the one that came with a request can go. */
  constructor(typeUrl: string, intern: (name: string) => string = (name) => name) {
    this.typeUrl = typeUrl;
    this.#intern = intern;
  }
  /** Everything of the type is wanted, whatever its name. */
  get wildcard(): boolean {
    return this.#wildcard;
  }
  set wildcard(wildcard: boolean) {
    if (this.#wildcard !== wildcard) this.#settledWith = undefined;
    this.#wildcard = wildcard;
  }
  /** Names of the last request that was not the same as the one before it: a proxy repeats them with every ACK. */
  get requested(): readonly string[] {
    return this.#requested;
  }
  request(names: readonly string[]): void {
    this.#requested = names.map(this.#intern);
  }
  /** Whether a request with this nonce answers a response that has no answer yet. */
  awaits(nonce: string): boolean {
    return this.inFlight.has(nonce) || (nonce !== '' && nonce === this.lastNonce && nonce !== this.answeredNonce);
  }
  wants(name: string): boolean {
    return this.wildcard || this.names.has(name);
  }
  subscribe(name: string): void {
    const own = this.#intern(name);
    this.names.add(own);
    this.#touched.add(own);
  }
  unsubscribe(name: string): void {
    this.names.delete(name);
    if (!this.wildcard) this.forget(name);
    this.#touched.add(name);
  }
  /** Makes `name` due again although its content is the same. */
  forget(name: string): void {
    this.sent.delete(name);
    this.#before.delete(name);
    this.#touched.add(name);
  }
  markSent(name: string, version: string): void {
    const before = this.sent.get(name);
    if (version === ABSENT) this.#before.delete(name);
    else if (before !== version && !this.#before.has(name)) this.#before.set(name, before ?? ABSENT);
    this.sent.set(name, version);
    if (this.rejected.get(name) !== version) this.rejected.delete(name);
    this.#touched.add(name);
  }
  /** Notes the response `nonce`; `overtakes`: earlier ones that wait for their answer no longer hold anything up (SotW). */
  expect(nonce: string, content: ReadonlyMap<string, string>, overtakes: boolean): void {
    if (overtakes) this.stopWaiting();
    this.inFlight.set(nonce, content);
    this.lastNonce = nonce;
    this.owesFirst = false;
  }
  /** Answers that have not come hold nothing up any more; should they come, they count. */
  stopWaiting(): void {
    for (const [earlier, names] of this.inFlight) this.#overtaken.set(earlier, names);
    this.inFlight.clear();
  }
  /** An answer to a response that a later one overtook; true when it refused something that is still in force. */
  answerOvertaken(nonce: string, error: string | undefined): boolean {
    const names = this.#overtaken.get(nonce);
    if (names === undefined) return false;
    this.#overtaken.delete(nonce);
    if (error === undefined) {
      this.#settle(names);
      return false;
    }
    const refused = [...names].filter(([name, version]) => this.sent.get(name) === version);
    for (const [name, version] of refused) this.rejected.set(name, version);
    if (refused.length > 0) this.lastError = error;
    return refused.length > 0;
  }
  /** How far the proxy is with each resource it was sent. */
  resources(): ResourceStatus[] {
    const pending = new Set([...this.inFlight.values(), ...this.#overtaken.values()].flatMap((names) => [...names.keys()]));
    const list: ResourceStatus[] = [];
    for (const [name, sent] of this.sent) {
      if (sent === ABSENT) continue;
      // A refused response may repeat what was accepted before: that is not refused.
      const rejected = this.rejected.get(name) === sent && this.#before.has(name);
      const state = rejected ? 'rejected' : pending.has(name) && this.#before.has(name) ? 'pending' : 'synced';
      const acked = state === 'synced' ? sent : (this.#before.get(name) ?? '');
      list.push({ name, state, sent, acked, ...(rejected && this.lastError !== undefined ? { error: this.lastError } : {}) });
    }
    return list;
  }
  /** What the proxy brought from an earlier stream. */
  adopt(name: string, version: string): void {
    this.sent.set(name, version);
    this.#touched.add(name);
  }
  accept(nonce: string): void {
    this.ackedNonce = nonce;
    this.answeredNonce = nonce;
    this.lastError = undefined;
    this.#settle(this.inFlight.get(nonce));
    this.inFlight.delete(nonce);
    // Answers come in the order of the responses, so this one speaks for those before it.
    for (const names of this.#overtaken.values()) this.#settle(names);
    this.#overtaken.clear();
  }
  #settle(names: ReadonlyMap<string, string> = new Map()): void {
    for (const [name, version] of names) {
      if (this.rejected.get(name) === version) this.rejected.delete(name);
      if (this.sent.get(name) === version) this.#before.delete(name);
    }
  }
  refuse(nonce: string, error: string): void {
    this.lastError = error;
    this.answeredNonce = nonce;
    for (const [name, version] of this.inFlight.get(nonce) ?? []) this.rejected.set(name, version);
    this.inFlight.delete(nonce);
  }
  compare(view: ResourceMap, placeholder: (name: string) => EncodedResource | undefined): Difference {
    const candidates = this.#candidates(view);
    if (candidates?.size === 0) return NOTHING;
    const changed: EncodedResource[] = [];
    const gone: string[] = [];
    const consider = (name: string, resource: EncodedResource | undefined) => {
      const version = this.sent.get(name);
      if (resource === undefined) {
        if (version !== ABSENT) gone.push(name);
      } else if (version !== resource.version) {
        changed.push(resource);
      }
    };
    const considerNamed = (name: string) => {
      const resource = view.get(name);
      if (resource === undefined) consider(name, placeholder(name));
      else if (!this.wildcard) consider(name, resource);
    };
    if (candidates !== undefined) {
      for (const name of candidates) {
        const resource = view.get(name);
        if (this.wildcard && (resource !== undefined || (this.sent.has(name) && !this.names.has(name)))) consider(name, resource);
        if (this.names.has(name)) considerNamed(name);
      }
    } else {
      if (this.wildcard) {
        for (const [name, resource] of view) consider(name, resource);
        for (const name of this.sent.keys()) if (!view.has(name) && !this.names.has(name)) consider(name, undefined);
      }
      for (const name of this.names) considerNamed(name);
    }
    this.#addRejected(view, changed, gone);
    if (changed.length === 0 && gone.length === 0) {
      this.#settledWith = view;
      this.#touched.clear();
    }
    return { changed, gone };
  }
  /** The names that may have something to send, where that is known to be fewer than all. */
  #candidates(view: ResourceMap): ReadonlySet<string> | undefined {
    // Whether a refused resource goes again depends on all that changes with it.
    if (this.#settledWith === undefined || this.rejected.size > 0) return undefined;
    const differing = differingNames(this.#settledWith, view);
    if (differing === undefined) return undefined;
    return differing.length === 0 ? this.#touched : new Set([...this.#touched, ...differing]);
  }
  /**
   * A refused response may have been applied in part, so when one of its resources changes all of them go again. Until then
   * nothing is sent: a proxy that refused would refuse once more.
   */
  #addRejected(view: ResourceMap, changed: EncodedResource[], gone: readonly string[]): void {
    if (this.rejected.size === 0) return;
    const sending = new Set(changed.map((resource) => resource.name));
    const leaving = new Set(gone);
    if (![...this.rejected.keys()].some((name) => sending.has(name) || leaving.has(name))) return;
    for (const name of this.rejected.keys()) {
      const resource = view.get(name);
      if (resource !== undefined && this.wants(name) && !sending.has(name)) changed.push(resource);
    }
  }
}
