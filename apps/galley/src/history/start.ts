import { type KubernetesApi, type ObjectKey, startReflector } from '@xebec/config';
import { type Clock, errorText, type Logger, systemRandom, XebecError } from '@xebec/core';
import { type ConfigVersion, type PublishedChange, readVersion, VERSION_PATH, versionName } from '@xebec/history';
import type { ConfigObject } from '@xebec/schemas';
import type { BundleMetrics } from '../bundles/metrics.ts';
import type { Authors } from './authors.ts';
import { createFolderHistory } from './folder-history.ts';
import { createKubernetesHistory } from './kubernetes-history.ts';
import { createRecorder, type Recorder } from './recorder.ts';

export interface HistoryOptions {
  readonly options: Readonly<Record<string, string>>;
  readonly api: KubernetesApi | undefined;
  readonly authors: Authors;
  readonly metrics: BundleMetrics;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

/** The versions of the configuration, as the one Galley that leads writes them and the others follow. */
export interface History {
  /** Resolves with the version's number; undefined when it is not written at once, or by another Galley. */
  record(version: PublishedChange): Promise<number | undefined>;
  lead(objects: readonly ConfigObject[], except: ReadonlySet<ObjectKey>): void;
  follow(): void;
  close(): Promise<void>;
}

/** The history that the flags ask for; undefined where no versions are kept. */
export function startHistory(options: HistoryOptions): History | undefined {
  const { api, authors, metrics, clock, signal, logger } = options;
  const { historyLimit = '200', historyDir = '' } = options.options;
  const limit = Number(historyLimit);
  if (!Number.isInteger(limit) || limit < 0 || limit > 10_000)
    throw new XebecError('E_FLAG', `--history-limit takes a whole number from 0 to 10000, but got "${historyLimit}"`);
  const store =
    historyDir !== ''
      ? createFolderHistory(historyDir, logger)
      : api === undefined
        ? undefined
        : createKubernetesHistory(api, signal, logger);
  if (limit === 0 || store === undefined) return undefined;
  const recorder = createRecorder({
    store,
    authors,
    limit,
    clock,
    random: systemRandom,
    logger,
    onRecorded: () => metrics.versions.inc(),
    onLost: (versions) => metrics.lost.inc(versions),
  });
  const watch = historyDir === '' && api !== undefined ? watchVersions(api, recorder, options) : undefined;
  return {
    ...recorder,
    close: async () => {
      await watch?.close();
      await recorder.close();
    },
  };
}

/**
 * Hears which versions another Galley writes. Only the one that was asked for admission knows who wrote an object: where that was this
 * one, and the version does not say it, it is added.
 */
function watchVersions(
  api: KubernetesApi,
  recorder: Recorder,
  { authors, clock, signal, logger }: HistoryOptions,
): { close(): Promise<void> } {
  const addAuthor = (version: ConfigVersion): void => {
    const author = recorder.authorOf(version);
    authors.forget(version.changes);
    if (version.author !== '' || author === '') return;
    const path = `${VERSION_PATH}/${versionName(version.number)}`;
    api.send('PATCH', path, { spec: { author } }, signal, 'application/merge-patch+json').catch((error: unknown) => {
      if (!signal.aborted) logger.warn({}, `the author of version ${version.number} cannot be added: ${errorText(error)}`);
    });
  };
  const read = (raw: Record<string, unknown>): ConfigVersion | undefined => {
    const version = readVersion(raw);
    return version.ok ? version.value : undefined;
  };
  return startReflector({
    api,
    path: VERSION_PATH,
    optional: true,
    clock,
    random: systemRandom,
    logger,
    handler: {
      onList: (items) => recorder.known(items.flatMap((item) => read(item) ?? []).sort((a, b) => a.number - b.number)),
      onEvent: (type, raw) => {
        const version = type === 'ADDED' ? read(raw) : undefined;
        if (version !== undefined && recorder.seen(version)) addAuthor(version);
      },
    },
  });
}
