import type { ConfigVersion } from '@xebec/history';

/** Where versions are kept. */
export interface HistoryStore {
  /** All that are kept, oldest first. */
  list(): Promise<readonly ConfigVersion[]>;
  /** Keeps a version; false when another already has its number. */
  add(version: ConfigVersion): Promise<boolean>;
  /** Drops a version; one that is not there is no failure. */
  remove(number: number): Promise<void>;
}
