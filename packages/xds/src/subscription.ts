import { NameSet, NO_NAMES } from './name-set.ts';
import type { EncodedResource, ResourceMap } from './resource.ts';
import { differingNames, LayeredResources, ResourceLayer, resourcesOf } from './resource-layer.ts';
import { ResourceVersions } from './resource-versions.ts';

/** The version of a name that the proxy was told does not exist. */
export const ABSENT = '';

/** What stands between what a proxy was sent and what it should have. */
export interface Difference {
  /** To send: new or changed. */
  readonly changed: readonly EncodedResource[];
  /** Names that were sent and are gone, or were asked for and never existed. */
  readonly gone: readonly string[];
  /** Where `changed` begins with all resources of the view: nothing of it had been sent. */
  readonly whole?: LayeredResources;
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

/**
 * What one stream wants of one type, has been sent, and has accepted. All of it is told by what streams share (names of a request, the
 * view they were sent) and by exceptions, since there may be thousands of streams with thousands of names each.
 */
export class Subscription {
  readonly typeUrl: string;
  #wildcard = false;
  #names = NO_NAMES;
  /** Version by name of everything that was sent and is still of interest. */
  readonly sent = new ResourceVersions((name) => this.wants(name));
  /** Version by name of everything that the proxy runs, as far as it has told. */
  readonly #accepted = new ResourceVersions((name) => this.wants(name));
  /** What responses contained that wait for their ACK, by nonce. */
  readonly #inFlight = new Map<string, ResourceMap>();
  /** Names and versions of refused responses: sent again only together with a change to one of them. */
  readonly rejected = new Map<string, string>();
  /** Responses that a later one overtook before their answer came. */
  readonly #overtaken = new Map<string, ResourceMap>();
  /** What the last response that replaces everything contained (SotW CDS and LDS). */
  content: ResourceMap = new Map();
  lastNonce = '';
  ackedNonce = '';
  /** The last nonce that was accepted or refused. */
  answeredNonce = '';
  /** The first response must come even when it is empty: the proxy waits for it. */
  owesFirst = false;
  lastError: string | undefined;
  #requested = NO_NAMES;
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
    if (this.#wildcard === wildcard) return;
    this.#settledWith = undefined;
    if (wildcard) for (const versions of [this.sent, this.#accepted]) versions.detach();
    this.#wildcard = wildcard;
    if (!wildcard) for (const versions of [this.sent, this.#accepted]) versions.prune();
  }
  /** What is asked for by name. */
  get names(): NameSet {
    return this.#names;
  }
  /** Whether responses wait for their answer. */
  get awaitsAnswer(): boolean {
    return this.#inFlight.size > 0;
  }
  isInFlight(nonce: string): boolean {
    return this.#inFlight.has(nonce);
  }
  /** Whether a response with this resource waits for its answer. */
  isOnTheWay(name: string): boolean {
    for (const resources of this.#inFlight.values()) if (resources.has(name)) return true;
    return false;
  }
  /** Notes the names of a request that speaks for all; undefined: they are those of the one before, as a proxy repeats them with every ACK. */
  request(names: readonly string[]): NameSet | undefined {
    if (this.#requested.cameAs(names)) return undefined;
    this.#requested = NameSet.of(names, this.#intern);
    return this.#requested;
  }
  /** Whether a request with this nonce answers a response that has no answer yet. */
  awaits(nonce: string): boolean {
    return this.#inFlight.has(nonce) || (nonce !== '' && nonce === this.lastNonce && nonce !== this.answeredNonce);
  }
  wants(name: string): boolean {
    return this.#wildcard || this.#names.has(name);
  }
  /** From now on these and no others are asked for by name; tells which were not before. */
  replaceNames(names: NameSet): readonly string[] {
    const { added, removed } = names.since(this.#names);
    this.#rename(names, added, removed);
    return added;
  }
  subscribe(names: readonly string[]): void {
    const next = this.#names.size === 0 ? NameSet.of(names, this.#intern) : this.#names.with(names.map(this.#intern));
    this.#rename(next, next.since(this.#names).added, []);
    if (this.#settledWith !== undefined) for (const name of names) this.#touched.add(name);
  }
  unsubscribe(names: readonly string[]): void {
    this.#rename(this.#names.without(names), [], names);
  }
  #rename(names: NameSet, added: readonly string[], removed: readonly string[]): void {
    if (!this.#wildcard)
      for (const versions of [this.sent, this.#accepted]) if (!versions.isEmpty) for (const name of added) versions.unveil(name);
    this.#names = names;
    for (const name of removed) {
      if (!this.#wildcard) this.forget(name);
      this.#touched.add(name);
    }
    if (this.#settledWith !== undefined) for (const name of added) this.#touched.add(name);
  }
  /** Makes `name` due again although its content is the same. */
  forget(name: string): void {
    this.sent.delete(name);
    this.#accepted.delete(name);
    this.#touched.add(name);
  }
  markSent(name: string, version: string): void {
    this.sent.set(name, version);
    if (this.rejected.get(name) !== version) this.rejected.delete(name);
    this.#touched.add(name);
  }
  /** Notes that everything of a view was sent and nothing beside it, so that only these names are left to look at. */
  markAllSent(view: ResourceMap, left: readonly string[]): void {
    this.sent.setAll(view);
    for (const [name, version] of this.rejected) if (view.has(name) && view.get(name)?.version !== version) this.rejected.delete(name);
    this.#settledWith = view;
    this.#touched.clear();
    for (const name of left) this.#touched.add(name);
  }
  /** Notes the response `nonce`; `overtakes`: earlier ones that wait for their answer no longer hold anything up (SotW). */
  expect(nonce: string, content: ResourceMap, overtakes: boolean): void {
    if (overtakes) this.stopWaiting();
    this.#inFlight.set(nonce, content);
    this.lastNonce = nonce;
    this.owesFirst = false;
  }
  /** Answers that have not come hold nothing up any more; should they come, they count. */
  stopWaiting(): void {
    for (const [earlier, content] of this.#inFlight) this.#overtaken.set(earlier, content);
    this.#inFlight.clear();
  }
  /** An answer to a response that a later one overtook; true when it refused something that is still in force. */
  answerOvertaken(nonce: string, error: string | undefined): boolean {
    const content = this.#overtaken.get(nonce);
    if (content === undefined) return false;
    this.#overtaken.delete(nonce);
    if (error === undefined) {
      this.#settle(content);
      return false;
    }
    const refused = resourcesOf(content).filter(({ name, version }) => this.sent.get(name) === version);
    for (const { name, version } of refused) this.rejected.set(name, version);
    if (refused.length > 0) this.lastError = error;
    return refused.length > 0;
  }
  /** How far the proxy is with each resource it was sent. */
  resources(): ResourceStatus[] {
    const waiting = [...this.#inFlight.values(), ...this.#overtaken.values()];
    const list: ResourceStatus[] = [];
    for (const [name, sent] of this.sent) {
      if (sent === ABSENT) continue;
      const accepted = this.#accepted.get(name);
      // A refused response may repeat what was accepted before: that is not refused.
      const rejected = this.rejected.get(name) === sent && accepted !== sent;
      const coming = (content: ResourceMap) => (content.get(name)?.version ?? accepted) !== accepted;
      const state = rejected ? 'rejected' : waiting.some(coming) ? 'pending' : 'synced';
      const acked = state === 'synced' ? sent : (accepted ?? '');
      list.push({ name, state, sent, acked, ...(rejected && this.lastError !== undefined ? { error: this.lastError } : {}) });
    }
    return list;
  }
  /** What the proxy brought from an earlier stream. */
  adopt(name: string, version: string): void {
    this.sent.set(name, version);
    this.#accepted.set(name, version);
    this.#touched.add(name);
  }
  accept(nonce: string): void {
    this.ackedNonce = nonce;
    this.answeredNonce = nonce;
    this.lastError = undefined;
    // Answers come in the order of the responses, so this one speaks for those before it.
    for (const content of this.#overtaken.values()) this.#settle(content);
    this.#overtaken.clear();
    const content = this.#inFlight.get(nonce);
    if (content !== undefined) this.#settle(content);
    this.#inFlight.delete(nonce);
  }
  #settle(content: ResourceMap): void {
    for (const [name, version] of this.rejected) if (content.get(name)?.version === version) this.rejected.delete(name);
    // What many share; of anything else there are few.
    if (content instanceof LayeredResources) this.#accepted.setAll(content);
    else for (const [name, { version }] of content) if (this.sent.has(name)) this.#accepted.set(name, version);
  }
  refuse(nonce: string, error: string): void {
    this.lastError = error;
    this.answeredNonce = nonce;
    for (const { name, version } of resourcesOf(this.#inFlight.get(nonce) ?? new ResourceLayer([]))) this.rejected.set(name, version);
    this.#inFlight.delete(nonce);
  }
  compare(view: ResourceMap, placeholder: (name: string) => EncodedResource | undefined): Difference {
    if (this.sent.isEmpty && this.rejected.size === 0) {
      const whole = this.#everything(view, placeholder);
      if (whole !== undefined) return whole;
    }
    const candidates = this.#candidates(view);
    if (candidates?.size === 0) {
      this.#settleWith(view);
      return NOTHING;
    }
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
        for (const resource of resourcesOf(view)) consider(resource.name, resource);
        for (const [name] of this.sent.outside(view)) if (!this.names.has(name)) consider(name, undefined);
      }
      for (const name of this.names) considerNamed(name);
    }
    this.#addRejected(view, changed, gone);
    if (changed.length === 0 && gone.length === 0) this.#settleWith(view);
    return { changed, gone };
  }
  /** What is due to a proxy that has nothing and wants all of a view; undefined where this cannot be told without going through it. */
  #everything(view: ResourceMap, placeholder: (name: string) => EncodedResource | undefined): Difference | undefined {
    if (!(view instanceof LayeredResources) || view.size === 0) return undefined;
    const beside = this.#wildcard ? (this.#names.size === 0 ? { missing: [] } : undefined) : this.#names.covers(view);
    if (beside === undefined) return undefined;
    const changed: EncodedResource[] = [];
    const gone: string[] = [];
    for (const name of beside.missing) {
      const resource = placeholder(name);
      if (resource === undefined) gone.push(name);
      else changed.push(resource);
    }
    return { changed: changed.length === 0 ? view.list : [...view.list, ...changed], gone, whole: view };
  }
  /** Nothing is left to send. What was sent and accepted is then told in the fewest words. */
  #settleWith(view: ResourceMap): void {
    this.#settledWith = view;
    this.#touched.clear();
    if (!this.sent.restsOn(view)) this.sent.setAll(view);
    if (this.#inFlight.size === 0 && this.#overtaken.size === 0 && this.rejected.size === 0 && !this.#accepted.restsOn(view))
      this.#accepted.copy(this.sent);
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
