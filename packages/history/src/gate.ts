import { type ConfigChange, type ObjectKey, objectKey } from '@xebec/config';
import type { Clock } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import type { Bundle, BundlePhase } from './bundle.ts';
import { type ContentChange, canonical, changeKey, contentOf, objectOf } from './content.ts';
import { type Candidate, ReferenceIndex } from './reference-index.ts';

/** How long an object waits for what it refers to: files of one `kubectl apply` are some ten milliseconds apart. */
const REFERENCE_WAIT_MS = 500;
/** How long a follower, told that a bundle is complete, waits to have seen each member stored itself. */
const FOLLOW_WAIT_MS = 10_000;

/** One version in the making: what took effect together. */
export interface PublishedChange {
  readonly changes: readonly ContentChange[];
  readonly bundle: Bundle | undefined;
}

export interface GateEvents {
  /** Takes effect as one: whoever distributes it must not send a part. */
  publish(upserts: readonly ConfigObject[], deletions: readonly ObjectKey[]): void;
  /** Changes of content that were just published. */
  onVersion(version: PublishedChange): void;
  onBundle(bundle: Bundle, phase: BundlePhase, waitingFor: readonly ObjectKey[]): void;
  /** Published though what it refers to is not there. */
  onDangling(key: ObjectKey, reference: string): void;
}

interface OpenBundle {
  readonly bundle: Bundle;
  readonly before: ReadonlyMap<ObjectKey, string>;
  readonly after: ReadonlyMap<ObjectKey, string>;
  /** Members that were stored as the bundle says at some time since it is held. */
  readonly seen: Set<ObjectKey>;
  phase: BundlePhase;
  /** The leader says that it is complete. */
  told: boolean;
  cancelTimeout: () => void;
}

/**
 * Decides what of the stored configuration is in force. Members of a bundle stay as they were until all of them are stored as
 * the bundle says. An object that refers to something that is not there, or whose removal would leave a reference without
 * target, waits for half a second.
 *
 * Of several gates before the same objects one leads: it decides what becomes of a bundle and says so in the bundle's status. The
 * others hold the members until that status tells them, whatever they see stored, so that all show the same.
 */
export class ConfigGate {
  readonly #clock: Clock;
  readonly #events: GateEvents;
  readonly #live = new Map<ObjectKey, ConfigObject>();
  readonly #published = new Map<ObjectKey, ConfigObject>();
  readonly #bundles = new Map<string, OpenBundle>();
  readonly #heldBy = new Map<ObjectKey, OpenBundle>();
  /** Keys whose stored object is not the published one, with the time they are published at the latest. */
  readonly #waiting = new Map<ObjectKey, number>();
  readonly #references = new ReferenceIndex();
  #cancelWait: (() => void) | undefined;
  #leads: boolean;

  constructor(clock: Clock, events: GateEvents, leads = true) {
    this.#clock = clock;
    this.#events = events;
    this.#leads = leads;
  }

  /** Decides from now on, or no longer. */
  set leads(leads: boolean) {
    if (this.#leads === leads) return;
    this.#leads = leads;
    for (const open of this.#bundles.values()) {
      if (!isHeld(open)) continue;
      if (!open.told) open.cancelTimeout();
      if (leads && open.phase === 'Open' && !open.told) this.#awaitMembers(open);
      // The one that led before may have seen it complete and not have said so.
      if (leads) this.#touch(open);
    }
  }

  /** Begins with what is stored. Members of open bundles are published as they were before, for that is what proxies run. */
  start(objects: Iterable<ConfigObject>, bundles: Iterable<Bundle>): void {
    for (const object of objects) {
      this.#live.set(objectKey(object), object);
      this.#put(objectKey(object), object);
    }
    for (const bundle of bundles) {
      const open = this.#hold(bundle);
      if (open === undefined) continue;
      for (const change of bundle.changes) {
        const key = changeKey(change);
        const live = this.#live.get(key);
        const before = change.before === undefined ? undefined : objectOf(change.before);
        // Unchanged since: the stored object is better, it has its metadata.
        this.#put(key, live !== undefined && canonical(contentOf(live)) === open.before.get(key) ? live : before);
        this.#waiting.set(key, 0);
      }
    }
    this.#events.publish([...this.#published.values()], []);
    this.#settle();
  }

  onObjects(changes: readonly ConfigChange[]): void {
    const latest = this.#clock.monotonic() + REFERENCE_WAIT_MS;
    for (const change of changes) {
      if (change.type === 'upsert') this.#live.set(change.key, change.object);
      else this.#live.delete(change.key);
      this.#waiting.set(change.key, this.#waiting.get(change.key) ?? latest);
    }
    this.#settle();
  }

  /** A bundle that is new, or was seen before: then its status tells what the leader has decided. */
  onBundle(bundle: Bundle): void {
    const open = this.#bundles.get(bundle.id);
    if (open !== undefined) this.#follow(open, bundle.phase);
    else if (this.#hold(bundle) !== undefined) this.#settle();
  }

  /** A bundle's record is gone: what is stored of its members counts as it is. */
  onBundleGone(id: string): void {
    const open = this.#bundles.get(id);
    if (open === undefined) return;
    this.#release(open);
    this.#bundles.delete(id);
    this.#settle();
  }

  /** The bundle that holds an object back, if one does. */
  holderOf(key: ObjectKey): Bundle | undefined {
    return this.#heldBy.get(key)?.bundle;
  }

  /** Bundles that hold objects back now. */
  open(): readonly { readonly bundle: Bundle; readonly phase: BundlePhase; readonly waitingFor: readonly ObjectKey[] }[] {
    return [...this.#bundles.values()]
      .filter(isHeld)
      .map((open) => ({ bundle: open.bundle, phase: open.phase, waitingFor: this.#missing(open) }));
  }

  /** How many objects wait for what they refer to. */
  get deferred(): number {
    return [...this.#waiting.keys()].filter((key) => !this.#heldBy.has(key)).length;
  }

  published(): readonly ConfigObject[] {
    return [...this.#published.values()];
  }

  close(): void {
    this.#cancelWait?.();
    for (const { cancelTimeout } of this.#bundles.values()) cancelTimeout();
  }

  #hold(bundle: Bundle): OpenBundle | undefined {
    if (bundle.phase === 'Complete' || bundle.phase === 'Abandoned') return undefined;
    const before = new Map<ObjectKey, string>();
    const after = new Map<ObjectKey, string>();
    for (const change of bundle.changes) {
      before.set(changeKey(change), canonical(change.before));
      after.set(changeKey(change), canonical(change.after));
    }
    const phase = bundle.phase || 'Open';
    const open: OpenBundle = { bundle, before, after, seen: new Set(), phase, told: false, cancelTimeout: () => undefined };
    this.#bundles.set(bundle.id, open);
    // A bundle that takes over the members of another holds them from now on.
    for (const key of after.keys()) this.#heldBy.set(key, open);
    if (open.phase === 'Open') {
      if (this.#leads) this.#awaitMembers(open);
      this.#events.onBundle(bundle, 'Open', this.#missing(open));
    }
    return open;
  }

  #awaitMembers(open: OpenBundle): void {
    const { createdAt, timeoutSeconds } = open.bundle;
    const age = createdAt === 0 ? 0 : Math.max(0, this.#clock.now() - createdAt);
    open.cancelTimeout = this.#clock.setTimeout(() => this.#onTimeout(open), Math.max(0, timeoutSeconds * 1000 - age));
  }

  #follow(open: OpenBundle, phase: Bundle['phase']): void {
    if (this.#leads || !isHeld(open) || phase === '' || phase === open.phase) return;
    if (phase === 'Stalled') open.phase = phase;
    if (phase === 'Abandoned') {
      open.phase = phase;
      this.#release(open);
    }
    if (phase === 'Complete' && !open.told) {
      open.told = true;
      // What was overwritten while the watch was interrupted is never seen as the bundle has it.
      open.cancelTimeout = this.#clock.setTimeout(() => {
        for (const key of open.after.keys()) open.seen.add(key);
        this.#touch(open);
      }, FOLLOW_WAIT_MS);
    }
    this.#touch(open);
  }

  #touch(open: OpenBundle): void {
    for (const key of open.after.keys()) this.#waiting.set(key, this.#waiting.get(key) ?? 0);
    this.#settle();
  }

  #onTimeout(open: OpenBundle): void {
    const untouched = [...open.before].every(([key, content]) => this.#storedContent(key) === content);
    open.phase = untouched ? 'Abandoned' : 'Stalled';
    this.#events.onBundle(open.bundle, open.phase, this.#missing(open));
    if (!untouched) return;
    this.#release(open);
    this.#settle();
  }

  #release(open: OpenBundle): void {
    open.cancelTimeout();
    for (const key of open.after.keys()) if (this.#heldBy.get(key) === open) this.#heldBy.delete(key);
  }

  #missing(open: OpenBundle): ObjectKey[] {
    return [...open.after].filter(([key, content]) => this.#storedContent(key) !== content).map(([key]) => key);
  }

  #isComplete(open: OpenBundle): boolean {
    const missing = new Set(this.#missing(open));
    if (this.#leads && !open.told) return missing.size === 0;
    for (const key of open.after.keys()) if (!missing.has(key)) open.seen.add(key);
    return open.told && open.seen.size === open.after.size;
  }

  #storedContent(key: ObjectKey): string {
    const live = this.#live.get(key);
    return live === undefined ? '' : canonical(contentOf(live));
  }

  #put(key: ObjectKey, object: ConfigObject | undefined): void {
    this.#references.apply(this.#published.get(key), object);
    if (object === undefined) this.#published.delete(key);
    else this.#published.set(key, object);
  }

  /** Publishes all that may be published now. */
  #settle(): void {
    const completed: OpenBundle[] = [];
    const touched = new Set([...this.#waiting.keys()].map((key) => this.#heldBy.get(key)));
    for (const open of this.#bundles.values()) {
      // Looking through a bundle's members is dear: only one whose members were written can have become complete.
      if (!isHeld(open) || !(touched.has(open) || open.after.size === 0)) continue;
      if (!this.#isComplete(open)) continue;
      open.phase = 'Complete';
      this.#release(open);
      completed.push(open);
    }
    const together = new Map<ObjectKey, OpenBundle>(completed.flatMap((open) => [...open.after.keys()].map((key) => [key, open] as const)));
    const candidates: Candidate[] = [];
    for (const key of new Set([...this.#waiting.keys(), ...together.keys()]))
      if (!this.#heldBy.has(key)) candidates.push({ key, before: this.#published.get(key), after: this.#live.get(key) });
    const now = this.#clock.monotonic();
    const unsafe = this.#references.unsafe(candidates, (key) => together.has(key));
    const published = candidates.filter(({ key }) => {
      const reference = unsafe.get(key);
      if (reference === undefined) return true;
      if ((this.#waiting.get(key) ?? 0) > now) return false;
      this.#events.onDangling(key, reference);
      return true;
    });
    if (published.length > 0) this.#publish(published, together);
    for (const { bundle } of completed) this.#events.onBundle(bundle, 'Complete', []);
    this.#wait();
  }

  #publish(published: readonly Candidate[], together: ReadonlyMap<ObjectKey, OpenBundle>): void {
    const byBundle = new Map<OpenBundle, ContentChange[]>();
    const single: ContentChange[] = [];
    for (const { key, before, after } of published) {
      this.#waiting.delete(key);
      this.#put(key, after);
      const change = { before: before && contentOf(before), after: after && contentOf(after) };
      if (canonical(change.before) === canonical(change.after)) continue;
      const open = together.get(key);
      if (open === undefined) single.push(change);
      else byBundle.set(open, [...(byBundle.get(open) ?? []), change]);
    }
    this.#events.publish(
      published.flatMap(({ after }) => after ?? []),
      published.flatMap(({ key, after }) => (after === undefined ? [key] : [])),
    );
    for (const [{ bundle }, changes] of byBundle) this.#events.onVersion({ changes, bundle });
    for (const change of single) this.#events.onVersion({ changes: [change], bundle: undefined });
  }

  /** Looks again when the first of those that wait for a reference has waited long enough. */
  #wait(): void {
    this.#cancelWait?.();
    this.#cancelWait = undefined;
    const times = [...this.#waiting].filter(([key]) => !this.#heldBy.has(key)).map(([, at]) => at);
    if (times.length === 0) return;
    this.#cancelWait = this.#clock.setTimeout(() => this.#settle(), Math.max(0, Math.min(...times) - this.#clock.monotonic()));
  }
}

function isHeld({ phase }: OpenBundle): boolean {
  return phase === 'Open' || phase === 'Stalled';
}
