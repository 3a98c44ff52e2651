import { type ConfigChange, type ConfigSource, type KubernetesApi, type ObjectKey, ObjectStore } from '@xebec/config';
import { type Clock, errorText, type Logger, type Random } from '@xebec/core';
import { type Bundle, ConfigGate, changeKey, type PublishedChange } from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import type { Replicas } from '../replicas/replicas.ts';
import { type BundleDesk, keyText, openBundleDesk } from './bundle-desk.ts';
import type { BundleMetrics } from './metrics.ts';

export interface GatedSourceOptions {
  readonly source: ConfigSource;
  /** Where bundles are; undefined: there are none, and only the order of references is kept. */
  readonly api: KubernetesApi | undefined;
  /** The other Galleys before the same API server; `alone` where there is none. */
  readonly replicas: Replicas;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: BundleMetrics;
  /** Hears each version when it is in force; resolves with its number, undefined where none is kept. */
  readonly record: (version: PublishedChange) => Promise<number | undefined>;
  /** Hears what is in force when this Galley comes to lead; `members` belong to unfinished bundles. */
  readonly onLead: (objects: readonly ConfigObject[], members: ReadonlySet<ObjectKey>) => void;
  readonly onFollow: () => void;
}

/** A source of what is in force, of which a bundle's members are a part only together. */
export interface GatedSource extends ConfigSource {
  /** Bundles that hold objects back, for the debug page. */
  bundles(): readonly { readonly id: string; readonly client: string; readonly phase: string; readonly waitingFor: readonly string[] }[];
  /** The stalled bundle that holds an object back: whoever writes the object now should hear of it. */
  stalledHolderOf(key: ObjectKey): string | undefined;
}

/** How often the leader looks whether the others hold a new bundle. */
const ASK_AGAIN_MS = 500;

/** Puts the gate between a source and whoever distributes it: each publication is one batch of changes. */
export function createGatedSource(options: GatedSourceOptions): GatedSource {
  const { source, api, replicas, clock, random, logger, metrics } = options;
  const store = new ObjectStore();
  const early: Bundle[] = [];
  const numbers = new Map<string, Promise<number | undefined>>();
  /** Who says that it holds a bundle back, as the bundle's status had it last. */
  const holders = new Map<string, ReadonlySet<string>>();
  /** Bundles that this Galley opens as soon as all the others hold them. */
  const opening = new Set<string>();
  /** What was changed while the others do not know of this Galley: a bundle may have begun that it has not heard of. */
  const unheard = new Map<ObjectKey, ConfigChange>();
  let desk: BundleDesk | undefined;
  let started = false;
  let closed = false;
  let led = false;
  let current = replicas.known;
  const gate = new ConfigGate(
    clock,
    {
      publish: (upserts, deletions) => store.apply(upserts, deletions),
      onVersion: (version) => {
        const number = options.record(version);
        if (version.bundle !== undefined) numbers.set(version.bundle.id, number);
      },
      onBundle: (bundle, phase, missing) => {
        const waitingFor = missing.map(keyText);
        count();
        if (phase === 'Open') return hold(bundle.id, waitingFor);
        if (!replicas.leads) return void numbers.delete(bundle.id);
        metrics.phases.inc({ phase });
        opening.delete(bundle.id);
        if (phase === 'Stalled')
          logger.warn({ bundle: bundle.id }, `bundle ${bundle.id} of ${bundle.client} is stalled: ${stalledText(bundle, waitingFor)}`);
        if (phase !== 'Complete') {
          const message = phase === 'Stalled' ? stalledText(bundle, waitingFor) : 'nothing of it was stored in time';
          desk?.report(bundle.id, { phase, message, waitingFor });
          return;
        }
        // Whoever waits for the bundle learns the number of the version too; a history that cannot be written does not stop it.
        void (numbers.get(bundle.id) ?? Promise.resolve(undefined)).then((version) => {
          numbers.delete(bundle.id);
          desk?.report(bundle.id, { phase, message: 'in force', waitingFor: [], ...(version === undefined ? {} : { version }) });
        });
      },
      onDangling: (key, reference) => {
        metrics.dangling.inc();
        logger.warn({}, `${keyText(key)} is published though there is no ${reference}`);
      },
    },
    replicas.leads,
  );

  /** Says that the members are held back here, and opens the bundle once all the others say so too. */
  const hold = (id: string, waitingFor: readonly string[]): void => {
    if (replicas.leads) {
      opening.add(id);
      void openWhenHeld(id, waitingFor);
    } else desk?.report(id, { holders: { [replicas.id]: true } });
  };
  const openWhenHeld = async (id: string, waitingFor: readonly string[]): Promise<void> => {
    const others = await replicas.others().catch(() => undefined);
    if (!opening.has(id) || !replicas.leads || closed) return;
    const missing = others?.filter((name) => holders.get(id)?.has(name) !== true);
    if (missing?.length === 0) {
      opening.delete(id);
      metrics.phases.inc({ phase: 'Open' });
      return desk?.report(id, { phase: 'Open', message: '', waitingFor });
    }
    if (missing !== undefined) desk?.report(id, { message: `waits for ${missing.join(', ')} to hold it back too` });
    clock.setTimeout(() => void openWhenHeld(id, waitingFor), ASK_AGAIN_MS);
  };
  const count = (): void => {
    // The gate is in the middle of a change: its numbers are right at the end of it.
    queueMicrotask(() => {
      const open = gate.open();
      for (const phase of ['Open', 'Stalled'] as const) metrics.open.set({ phase }, open.filter((bundle) => bundle.phase === phase).length);
      metrics.held.set(open.reduce((sum, { bundle }) => sum + bundle.changes.length, 0));
    });
  };
  const onBundle = (bundle: Bundle): void => {
    const before = holders.get(bundle.id)?.size ?? 0;
    holders.set(bundle.id, bundle.holders);
    if (opening.has(bundle.id) && bundle.holders.size > before) void openWhenHeld(bundle.id, []);
    if (started) gate.onBundle(bundle);
    else early.push(bundle);
  };
  const begin = (): void => {
    if (started || !current || !source.synced || !(desk?.listed ?? api === undefined)) return;
    started = true;
    const first = new Map(early.toReversed().map((bundle) => [bundle.id, bundle]));
    gate.start(source.list(), first.values());
    for (const bundle of early.splice(0)) gate.onBundle(bundle);
    follow();
    store.markSynced();
    count();
  };
  /** Takes up who leads now, and whether the others know of this Galley. */
  const follow = (): void => {
    metrics.leads.set(replicas.leads ? 1 : 0);
    if (!replicas.known) current = false;
    else if (!current && desk?.listed === true) void catchUp();
    if (!started || led === replicas.leads) return;
    led = replicas.leads;
    if (!led) {
      opening.clear();
      options.onFollow();
    }
    gate.leads = led;
    if (!led) return;
    options.onLead(store.list(), new Set(gate.open().flatMap(({ bundle }) => bundle.changes.map(changeKey))));
    for (const { bundle, phase } of gate.open()) if (phase === 'Open') hold(bundle.id, []);
    desk?.collect();
  };
  /** Known to the others again: bundles first, for members of one that began meanwhile may be stored. */
  const catchUp = async (): Promise<void> => {
    try {
      await desk?.listAgain();
    } catch (error) {
      logger.debug({}, `bundles cannot be read: ${errorText(error)}`);
      if (!closed && replicas.known) clock.setTimeout(follow, ASK_AGAIN_MS);
      return;
    }
    if (!replicas.known || closed) return;
    current = true;
    const changes = [...unheard.values()];
    unheard.clear();
    if (started) gate.onObjects(changes);
    else begin();
  };
  const openDesk = (server: KubernetesApi): BundleDesk =>
    openBundleDesk(
      { api: server, clock, random, logger },
      {
        onBundle: (bundle) => {
          onBundle(bundle);
          if (replicas.leads) queueMicrotask(() => desk?.collect());
        },
        onBundleGone: (id) => {
          holders.delete(id);
          opening.delete(id);
          if (started) gate.onBundleGone(id);
          count();
        },
        // The desk says that it has listed in the middle of its work. Objects are read after bundles: a member of one that is complete
        // by then is stored.
        onListed: () => {
          current = replicas.known;
          queueMicrotask(begin);
          source.start().catch((error: unknown) => logger.error({}, errorText(error)));
        },
      },
    );
  const unsubscribe = source.subscribe((changes) => {
    if (!started) return;
    if (current) return gate.onObjects(changes);
    // Bundles are of the API server: what comes from files is in none of them.
    const ours = (change: ConfigChange) => (change.type === 'upsert' ? change.object : change.previous).source === undefined;
    for (const change of changes.filter(ours)) unheard.set(change.key, change);
    gate.onObjects(changes.filter((change) => !ours(change)));
  });
  return {
    name: source.name,
    get synced() {
      return store.synced;
    },
    list: () => store.list(),
    subscribe: (listener) => store.subscribe(listener),
    onSynced: (listener) => store.onSynced(listener),
    problems: () => source.problems(),
    bundles: () =>
      gate.open().map(({ bundle, phase, waitingFor }) => ({
        id: bundle.id,
        client: bundle.client,
        phase,
        waitingFor: waitingFor.map(keyText),
      })),
    stalledHolderOf: (key) => {
      const holder = gate.holderOf(key)?.id;
      return gate.open().some(({ bundle, phase }) => bundle.id === holder && phase === 'Stalled') ? holder : undefined;
    },
    start: async () => {
      source.onSynced(begin);
      if (api === undefined) return source.start();
      // The others must know of this Galley before it reads bundles: those that begin later wait for it.
      replicas.subscribe(() => {
        if (replicas.known && !closed) desk ??= openDesk(api);
        follow();
      });
      replicas.start();
      if (replicas.known) desk ??= openDesk(api);
    },
    close: async () => {
      closed = true;
      unsubscribe();
      gate.close();
      await desk?.close();
      await source.close();
    },
  };
}

function stalledText(bundle: Bundle, waitingFor: readonly string[]): string {
  const named = waitingFor.slice(0, 3).join(', ');
  const more = waitingFor.length > 3 ? ` and ${waitingFor.length - 3} more` : '';
  return `not stored after ${bundle.timeoutSeconds} s: ${named}${more}; the mesh runs what was before. Finish it with "xebec config bundles resume ${bundle.id}" or undo it with "xebec config bundles abort ${bundle.id}"`;
}
