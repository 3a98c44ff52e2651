import type { KubeConfig } from '@kubernetes/client-node';
import { ApiError, createKubernetesApi, isRecord, type KubernetesApi } from '@xebec/config';
import { manifestOf, type StoredObject } from '@xebec/history';
import { CommandFailure } from '../exit.ts';

/** What names an object of any kind. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}

export interface WriteMode {
  /** The server checks and answers, and stores nothing. */
  readonly dryRun: boolean;
}

interface ResourceType {
  readonly plural: string;
  readonly namespaced: boolean;
}

const FIELD_MANAGER = 'xebec';
const TIMEOUT_MS = 30_000;

/** Objects of any kind of an API server, by what discovery says of their kinds. */
export class KubeObjects {
  readonly api: KubernetesApi;
  readonly #types = new Map<string, Promise<ReadonlyMap<string, ResourceType>>>();

  constructor(config: KubeConfig) {
    this.api = createKubernetesApi(config);
  }
  signal(): AbortSignal {
    return AbortSignal.timeout(TIMEOUT_MS);
  }
  /** Undefined when it is not there. */
  async read(reference: ObjectReference): Promise<Record<string, unknown> | undefined> {
    try {
      const body = await this.api.get(await this.#path(reference), this.signal());
      return isRecord(body) ? body : undefined;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }
  /** Server-side apply; fields that others own are taken over. */
  async apply(object: ObjectReference, { dryRun }: WriteMode): Promise<Record<string, unknown>> {
    const path = `${await this.#path(object)}?fieldManager=${FIELD_MANAGER}&force=true${dryRun ? '&dryRun=All' : ''}`;
    return record(await this.api.send('PATCH', path, object, this.signal(), 'application/apply-patch+yaml'));
  }
  /** Makes the stored object this content, whoever owns its fields. */
  async put(content: StoredObject, { dryRun }: WriteMode): Promise<Record<string, unknown>> {
    const manifest = manifestOf(content);
    const live = await this.read(manifest);
    const query = `?fieldManager=${FIELD_MANAGER}${dryRun ? '&dryRun=All' : ''}`;
    if (live === undefined)
      return record(await this.api.send('POST', `${await this.#path(manifest, false)}${query}`, manifest, this.signal()));
    const metadata = { ...record(live['metadata']), labels: manifest.metadata.labels, annotations: manifest.metadata.annotations };
    const status = live['status'] === undefined ? {} : { status: live['status'] };
    const whole = { ...manifest, metadata: { ...metadata, managedFields: undefined }, ...status };
    return record(await this.api.send('PUT', `${await this.#path(manifest)}${query}`, whole, this.signal()));
  }
  /** One that is gone already is no failure. */
  async remove(reference: ObjectReference, { dryRun }: WriteMode): Promise<void> {
    try {
      await this.api.send('DELETE', `${await this.#path(reference)}${dryRun ? '?dryRun=All' : ''}`, undefined, this.signal());
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }
  /** All objects of a kind with these labels, in every namespace. */
  async list(apiVersion: string, kind: string, labelSelector: string): Promise<readonly Record<string, unknown>[]> {
    const type = (await this.#typesOf(apiVersion)).get(kind);
    if (type === undefined) return [];
    const body = await this.api.get(`${root(apiVersion)}/${type.plural}?${new URLSearchParams({ labelSelector })}`, this.signal());
    return isRecord(body) && Array.isArray(body['items'])
      ? body['items'].filter(isRecord).map((item) => ({ apiVersion, kind, ...item }))
      : [];
  }
  /** Whether objects of a kind live in namespaces; undefined when the server does not know the kind. */
  async isNamespaced({ apiVersion, kind }: Pick<ObjectReference, 'apiVersion' | 'kind'>): Promise<boolean | undefined> {
    return (await this.#typesOf(apiVersion)).get(kind)?.namespaced;
  }

  async #path({ apiVersion, kind, metadata }: ObjectReference, named = true): Promise<string> {
    const type = (await this.#typesOf(apiVersion)).get(kind);
    if (type === undefined)
      throw new CommandFailure(`the API server does not know kind ${kind} of ${apiVersion}; is its CustomResourceDefinition installed?`);
    const scope = type.namespaced ? `/namespaces/${encodeURIComponent(metadata.namespace ?? 'default')}` : '';
    return `${root(apiVersion)}${scope}/${type.plural}${named ? `/${encodeURIComponent(metadata.name)}` : ''}`;
  }
  #typesOf(apiVersion: string): Promise<ReadonlyMap<string, ResourceType>> {
    const known = this.#types.get(apiVersion);
    if (known !== undefined) return known;
    const asked = this.#discover(apiVersion);
    this.#types.set(apiVersion, asked);
    return asked;
  }
  async #discover(apiVersion: string): Promise<ReadonlyMap<string, ResourceType>> {
    try {
      const body = await this.api.get(root(apiVersion), this.signal());
      const resources = isRecord(body) && Array.isArray(body['resources']) ? body['resources'].filter(isRecord) : [];
      return new Map(
        resources
          .filter(({ name }) => typeof name === 'string' && !name.includes('/'))
          .map(({ kind, name, namespaced }) => [String(kind), { plural: String(name), namespaced: namespaced === true }]),
      );
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return new Map();
      throw error;
    }
  }
}

function root(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function record(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}
