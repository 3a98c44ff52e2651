import { ApiError, isRecord, type KubernetesApi } from '@xebec/config';

/** A WorkloadEntry as the API server has it; the parts that are read. */
export interface StoredEntry {
  readonly annotations: Readonly<Record<string, string>>;
  readonly resourceVersion: string;
  readonly serviceAccount: string;
  readonly conditions: readonly Record<string, unknown>[];
}

const TIMEOUT_MS = 10_000;

/** Reads and writes WorkloadEntries. Changes carry the version they were made from, so that of two writers one is refused. */
export class EntryApi {
  readonly #api: KubernetesApi;

  constructor(api: KubernetesApi) {
    this.#api = api;
  }
  async get(namespace: string, name: string): Promise<StoredEntry | undefined> {
    try {
      return toStored(await this.#api.get(pathOf(namespace, name), timeout()));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }
  async create(namespace: string, entry: Record<string, unknown>): Promise<void> {
    await this.#api.send('POST', pathOf(namespace), entry, timeout());
  }
  /** Sets annotations; undefined removes one. */
  async annotate(
    namespace: string,
    name: string,
    resourceVersion: string,
    changes: Readonly<Record<string, string | undefined>>,
  ): Promise<void> {
    const annotations = Object.fromEntries(Object.entries(changes).map(([key, value]) => [key, value ?? null]));
    const body = { metadata: { resourceVersion, annotations } };
    await this.#api.send('PATCH', pathOf(namespace, name), body, timeout(), 'application/merge-patch+json');
  }
  async setConditions(
    namespace: string,
    name: string,
    resourceVersion: string,
    conditions: readonly Record<string, unknown>[],
  ): Promise<void> {
    const body = { metadata: { resourceVersion }, status: { conditions } };
    await this.#api.send('PATCH', `${pathOf(namespace, name)}/status`, body, timeout(), 'application/merge-patch+json');
  }
  /** Deletes the entry as it was seen; one that has changed since stays. */
  async delete(namespace: string, name: string, resourceVersion: string): Promise<void> {
    try {
      await this.#api.send('DELETE', pathOf(namespace, name), { preconditions: { resourceVersion } }, timeout());
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }
}

function timeout(): AbortSignal {
  return AbortSignal.timeout(TIMEOUT_MS);
}

function pathOf(namespace: string, name?: string): string {
  const base = `/apis/networking.istio.io/v1/namespaces/${namespace}/workloadentries`;
  return name === undefined ? base : `${base}/${name}`;
}

function toStored(object: unknown): StoredEntry {
  const { metadata, spec, status } = isRecord(object) ? object : {};
  const { annotations, resourceVersion } = isRecord(metadata) ? metadata : {};
  const account = isRecord(spec) ? spec['serviceAccount'] : undefined;
  const conditions = isRecord(status) && Array.isArray(status['conditions']) ? status['conditions'].filter(isRecord) : [];
  const texts = Object.entries(isRecord(annotations) ? annotations : {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  return {
    annotations: Object.fromEntries(texts),
    resourceVersion: typeof resourceVersion === 'string' ? resourceVersion : '',
    serviceAccount: typeof account === 'string' ? account : '',
    conditions,
  };
}
