import { isRecord, type KubernetesApi, startReflector } from '@xebec/config';
import { type Clock, errorText, type Logger, type Random } from '@xebec/core';
import type { Caller } from '../authenticate.ts';

/** The data of a Secret or ConfigMap: bytes by key. */
export type CredentialData = ReadonlyMap<string, Uint8Array>;

/** Something that is watched and there. */
export interface HeldCredential {
  readonly source: 'secrets' | 'configmaps';
  readonly namespace: string;
  readonly name: string;
  readonly data: CredentialData;
}

export interface CredentialStoreOptions {
  readonly api: KubernetesApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Told when something that was asked for has become known or has changed. */
  readonly onChange: () => void;
}

/** An answer about a caller's rights is asked for again after this. */
const RIGHTS_FOR_MS = 60_000;
const REVIEW_TIMEOUT_MS = 5_000;
/** Objects watched at most; a mesh has a few hundred certificates. */
const MAX_WATCHED = 10_000;

interface Watched {
  readonly source: 'secrets' | 'configmaps';
  readonly namespace: string;
  readonly name: string;
  data: CredentialData | undefined;
  close(): Promise<void>;
}

/**
 * Secrets and ConfigMaps of the API server, each watched from when it is first asked for, so that this server holds only what
 * proxies use. Nothing is waited for: what is not known yet is undefined, and `onChange` tells when to ask again.
 */
export class CredentialStore {
  readonly #options: CredentialStoreOptions;
  readonly #watched = new Map<string, Watched>();
  readonly #rights = new Map<string, { allowed: boolean | undefined; readonly askedAt: number }>();

  constructor(options: CredentialStoreOptions) {
    this.#options = options;
  }
  get(source: 'secrets' | 'configmaps', namespace: string, name: string): CredentialData | undefined {
    const path = `/api/v1/namespaces/${namespace}/${source}`;
    const key = `${path}/${name}`;
    const known = this.#watched.get(key);
    if (known !== undefined) return known.data;
    if (this.#watched.size >= MAX_WATCHED) {
      this.#options.logger.error({ limit: MAX_WATCHED }, 'too many Secrets are asked for; more are not served');
      return undefined;
    }
    const { api, clock, random, logger, onChange } = this.#options;
    const entry: Watched = { source, namespace, name, data: undefined, close: async () => undefined };
    this.#watched.set(key, entry);
    const take = (object: Record<string, unknown> | undefined) => {
      entry.data = object === undefined ? undefined : dataOf(object, source);
      onChange();
    };
    const handler = {
      onList: (items: readonly Record<string, unknown>[]) => take(items[0]),
      onEvent: (type: 'ADDED' | 'MODIFIED' | 'DELETED', object: Record<string, unknown>) => take(type === 'DELETED' ? undefined : object),
    };
    entry.close = startReflector({ api, path, fieldSelector: `metadata.name=${name}`, handler, clock, random, logger }).close;
    return undefined;
  }
  /** What proxies use now, as far as it exists. */
  held(): HeldCredential[] {
    return [...this.#watched.values()].flatMap(({ data, source, namespace, name }) =>
      data === undefined ? [] : [{ source, namespace, name, data }],
    );
  }
  /** Whether a service account may read the Secrets of its namespace; undefined: not known yet. */
  mayRead(caller: Caller): boolean | undefined {
    const user = `system:serviceaccount:${caller.namespace}:${caller.serviceAccount}`;
    const known = this.#rights.get(user);
    const now = this.#options.clock.monotonic();
    if (known === undefined || now - known.askedAt > RIGHTS_FOR_MS) {
      this.#rights.set(user, { allowed: known?.allowed, askedAt: now });
      void this.#review(user, caller, now);
    }
    return known?.allowed;
  }
  async close(): Promise<void> {
    await Promise.all([...this.#watched.values()].map((entry) => entry.close()));
  }

  async #review(user: string, { namespace }: Caller, askedAt: number): Promise<void> {
    const { api, logger, onChange } = this.#options;
    const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'];
    const spec = { user, groups, resourceAttributes: { namespace, verb: 'list', resource: 'secrets', version: 'v1' } };
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
    try {
      const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
      const answer = await api.send('POST', path, review, AbortSignal.timeout(REVIEW_TIMEOUT_MS));
      const status = isRecord(answer) ? answer['status'] : undefined;
      const allowed = isRecord(status) && status['allowed'] === true;
      if (!allowed)
        logger.warn({ user, namespace }, `${user} may not list secrets in ${namespace}: its gateways get no certificates from there`);
      const before = this.#rights.get(user)?.allowed;
      this.#rights.set(user, { allowed, askedAt });
      if (before !== allowed) onChange();
    } catch (error) {
      // What was known stays true while the API server does not answer; what was not is asked again.
      if (this.#rights.get(user)?.allowed === undefined) this.#rights.delete(user);
      logger.warn({ user }, `asking for the rights of ${user} failed: ${errorText(error)}`);
    }
  }
}

/** A Secret's `data` is base64; a ConfigMap's is text, and its `binaryData` base64. */
function dataOf(object: Record<string, unknown>, source: 'secrets' | 'configmaps'): CredentialData {
  const out = new Map<string, Uint8Array>();
  const add = (values: unknown, encoding: BufferEncoding) => {
    if (!isRecord(values)) return;
    for (const [key, value] of Object.entries(values)) if (typeof value === 'string') out.set(key, Buffer.from(value, encoding));
  };
  add(object['data'], source === 'secrets' ? 'base64' : 'utf8');
  add(object['binaryData'], 'base64');
  return out;
}
