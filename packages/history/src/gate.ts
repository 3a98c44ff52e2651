import { type ConfigChange, type ObjectKey, objectKey } from '@xebec/config';
import type { Clock } from '@xebec/core';
import type { ConfigObject } from '@xebec/schemas';
import type { Bundle, BundlePhase } from './bundle.ts';
import { type ContentChange, canonical, changeKey, contentOf, objectOf } from './content.ts';
import { type Candidate, ReferenceIndex } from './reference-index.ts';

/** How long an object waits for what it refers to: files of one `kubectl apply` are some ten milliseconds apart. */
const REFERENCE_WAIT_MS = 500;

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
  phase: BundlePhase;
  cancelTimeout: () => void;
}

/**
 * Decides what of the stored configuration is in force. Members of a bundle stay as they were until all of them are stored as
 * the bundle says. An object that refers to something that is not there, or whose removal would leave a reference without
 * target, waits for half a second.
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

  constructor(clock: Clock, events: GateEvents) {
    this.#clock = clock;
    this.#events = events;
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

  /** A bundle that is new, or was seen before. */
  onBundle(bundle: Bundle): void {
    if (this.#bundles.has(bundle.id)) return;
    if (this.#hold(bundle) !== undefined) this.#settle();
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
      .filter(({ phase }) => phase === 'Open' || phase === 'Stalled')
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
    const open: OpenBundle = { bundle, before, after, phase: bundle.phase || 'Open', cancelTimeout: () => undefined };
    this.#bundles.set(bundle.id, open);
    // A bundle that takes over the members of another holds them from now on.
    for (const key of after.keys()) this.#heldBy.set(key, open);
    if (open.phase === 'Open') {
      const age = bundle.createdAt === 0 ? 0 : Math.max(0, this.#clock.now() - bundle.createdAt);
      open.cancelTimeout = this.#clock.setTimeout(() => this.#onTimeout(open), Math.max(0, bundle.timeoutSeconds * 1000 - age));
      this.#events.onBundle(bundle, 'Open', this.#missing(open));
    }
    return open;
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
      if ((open.phase !== 'Open' && open.phase !== 'Stalled') || !(touched.has(open) || open.after.size === 0)) continue;
      if (this.#missing(open).length > 0) continue;
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
