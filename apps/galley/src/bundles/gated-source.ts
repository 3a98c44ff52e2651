import type { KubernetesApi } from '@xebec/config';
import { type ConfigSource, type ObjectKey, ObjectStore } from '@xebec/config';
import type { Clock, Logger, Random } from '@xebec/core';
import { type Bundle, ConfigGate, changeKey, type PublishedChange } from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import { type BundleDesk, keyText, openBundleDesk } from './bundle-desk.ts';
import type { BundleMetrics } from './metrics.ts';

export interface GatedSourceOptions {
  readonly source: ConfigSource;
  /** Where bundles are; undefined: there are none, and only the order of references is kept. */
  readonly api: KubernetesApi | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: BundleMetrics;
  /** Hears each version when it is in force; resolves with its number, undefined where none is kept. */
  readonly record: (version: PublishedChange) => Promise<number | undefined>;
  /** Hears what is stored when everything has been read, before the first version; `members` belong to unfinished bundles. */
  readonly onStart: (objects: readonly ConfigObject[], members: ReadonlySet<ObjectKey>) => Promise<void>;
}

/** A source of what is in force, of which a bundle's members are a part only together. */
export interface GatedSource extends ConfigSource {
  /** Bundles that hold objects back, for the debug page. */
  bundles(): readonly { readonly id: string; readonly client: string; readonly phase: string; readonly waitingFor: readonly string[] }[];
  /** The stalled bundle that holds an object back: whoever writes the object now should hear of it. */
  stalledHolderOf(key: ObjectKey): string | undefined;
}

/** Puts the gate between a source and whoever distributes it: each publication is one batch of changes. */
export function createGatedSource(options: GatedSourceOptions): GatedSource {
  const { source, api, clock, random, logger, metrics } = options;
  const store = new ObjectStore();
  const early: Bundle[] = [];
  const numbers = new Map<string, Promise<number | undefined>>();
  let desk: BundleDesk | undefined;
  let started = false;
  const gate = new ConfigGate(clock, {
    publish: (upserts, deletions) => store.apply(upserts, deletions),
    onVersion: (version) => {
      const number = options.record(version);
      if (version.bundle !== undefined) numbers.set(version.bundle.id, number);
    },
    onBundle: (bundle, phase, missing) => {
      const waitingFor = missing.map(keyText);
      metrics.phases.inc({ phase });
      count();
      if (phase === 'Stalled')
        logger.warn({ bundle: bundle.id }, `bundle ${bundle.id} of ${bundle.client} is stalled: ${stalledText(bundle, waitingFor)}`);
      if (phase !== 'Complete') {
        const message =
          phase === 'Stalled' ? stalledText(bundle, waitingFor) : phase === 'Abandoned' ? 'nothing of it was stored in time' : '';
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
  });
  const count = (): void => {
    // The gate is in the middle of a change: its numbers are right at the end of it.
    queueMicrotask(() => {
      const open = gate.open();
      for (const phase of ['Open', 'Stalled'] as const) metrics.open.set({ phase }, open.filter((bundle) => bundle.phase === phase).length);
      metrics.held.set(open.reduce((sum, { bundle }) => sum + bundle.changes.length, 0));
    });
  };
  const begin = (): void => {
    if (started || !source.synced || !(desk?.listed ?? api === undefined)) return;
    started = true;
    const objects = source.list();
    const unfinished = early.filter(({ phase }) => phase !== 'Complete' && phase !== 'Abandoned');
    void options.onStart(objects, new Set(unfinished.flatMap(({ changes }) => changes.map(changeKey))));
    gate.start(objects, early);
    store.markSynced();
    count();
  };
  const unsubscribe = source.subscribe((changes) => {
    if (started) gate.onObjects(changes);
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
      if (api !== undefined)
        desk = openBundleDesk(
          { api, clock, random, logger },
          {
            onBundle: (bundle) => (started ? gate.onBundle(bundle) : void early.push(bundle)),
            onBundleGone: (id) => {
              if (started) gate.onBundleGone(id);
              count();
            },
            // The desk says that it has listed in the middle of its work.
            onListed: () => queueMicrotask(begin),
          },
        );
      source.onSynced(begin);
      await source.start();
    },
    close: async () => {
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
