import type { KubernetesApi } from '@xebec/config';
import { type Clock, type Logger, systemRandom, XebecError } from '@xebec/core';
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

/** The recorder that the flags ask for; undefined where no versions are kept. */
export function startHistory({ options, api, authors, metrics, clock, signal, logger }: HistoryOptions): Recorder | undefined {
  const text = options['historyLimit'] ?? '200';
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 0 || limit > 10_000)
    throw new XebecError('E_FLAG', `--history-limit takes a whole number from 0 to 10000, but got "${text}"`);
  const folder = options['historyDir'] ?? '';
  if (limit === 0 || (folder === '' && api === undefined)) return undefined;
  const store =
    folder !== '' ? createFolderHistory(folder, logger) : api === undefined ? undefined : createKubernetesHistory(api, signal, logger);
  if (store === undefined) return undefined;
  return createRecorder({
    store,
    authors,
    limit,
    clock,
    random: systemRandom,
    logger,
    onRecorded: () => metrics.versions.inc(),
    onLost: (versions) => metrics.lost.inc(versions),
  });
}
