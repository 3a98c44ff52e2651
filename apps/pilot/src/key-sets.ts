import { type Clock, errorText, type Logger } from '@xebec/core';
import type { ConfigObject, RequestAuthenticationSpec } from '@xebec/schemas';
import { hasUsableKey, type KeySetSource, keySetSource } from '@xebec/translate';
import { isWebUri } from './key-set-fetch.ts';

export interface KeySetsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives the body that a URI answers with; rejects when it does not answer in time (milliseconds), or not with 200. */
  readonly fetch: (uri: string, timeoutMs: number) => Promise<string>;
}

const REFRESH_MS = 20 * 60_000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;

interface Entry {
  readonly source: KeySetSource;
  cancel: () => void;
  text?: string;
  retryMs: number;
}

/**
 * The key sets that RequestAuthentications lead to, by URI or by what their issuers say of themselves: fetched when first named, again
 * every 20 minutes, sooner after a failure.
 */
export class KeySets {
  readonly #options: KeySetsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<() => void>();
  #current: ReadonlyMap<string, string> = new Map();

  constructor(options: KeySetsOptions) {
    this.#options = options;
  }
  /** Texts by the name of their source. Another map whenever one of them is another. */
  get current(): ReadonlyMap<string, string> {
    return this.#current;
  }
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }
  /** Fetches what these objects name, and forgets what none of them names any more. */
  want(config: readonly ConfigObject[]): void {
    const sources = new Map(config.flatMap(sourcesOf).map((source) => [source.name, source]));
    for (const [name, entry] of this.#entries) {
      if (sources.has(name)) continue;
      entry.cancel();
      this.#entries.delete(name);
    }
    for (const source of sources.values()) if (!this.#entries.has(source.name)) this.#start(source);
  }
  close(): void {
    this.want([]);
  }

  #start(source: KeySetSource): void {
    const entry: Entry = { source, cancel: () => undefined, retryMs: FIRST_RETRY_MS };
    this.#entries.set(source.name, entry);
    void this.#load(entry);
  }

  async #load(entry: Entry): Promise<void> {
    const { kind, name, url, timeoutMs } = entry.source;
    const { fetch } = this.#options;
    let delayMs = REFRESH_MS;
    try {
      // Asked each time: an issuer may move its keys.
      const text = await fetch(kind === 'discovery' ? keysUri(await fetch(url, timeoutMs)) : url, timeoutMs);
      // One that proxies refuse would keep them from all else that changes.
      if (!hasUsableKey(text)) throw new Error('what it answers is no key set with a usable key');
      entry.retryMs = FIRST_RETRY_MS;
      if (this.#entries.get(name) === entry && entry.text !== text) {
        entry.text = text;
        this.#publish();
      }
    } catch (error) {
      this.#options.logger.warn({ url, error: errorText(error) }, 'cannot fetch key set');
      // Keys that were good stay: whoever signs with them need not suffer from a server that is away.
      delayMs = entry.retryMs;
      entry.retryMs = Math.min(entry.retryMs * 2, LAST_RETRY_MS);
    }
    if (this.#entries.get(name) === entry) entry.cancel = this.#options.clock.setTimeout(() => void this.#load(entry), delayMs);
  }

  #publish(): void {
    this.#current = new Map([...this.#entries].flatMap(([name, { text }]) => (text === undefined ? [] : [[name, text] as const])));
    for (const listener of this.#listeners) listener();
  }
}

function sourcesOf(object: ConfigObject): KeySetSource[] {
  if (object.kind !== 'RequestAuthentication') return [];
  // Objects of a kind have been checked against its schema.
  const { jwtRules } = object.spec as RequestAuthenticationSpec;
  return (jwtRules ?? []).map(keySetSource).filter((source) => source !== undefined);
}

/** `jwks_uri` of an OpenID provider's configuration. Throws when there is none that can be fetched. */
function keysUri(configuration: string): string {
  const parsed = parseJson(configuration);
  const uri = typeof parsed === 'object' && parsed !== null && 'jwks_uri' in parsed ? parsed.jwks_uri : undefined;
  if (typeof uri !== 'string' || !isWebUri(uri)) throw new Error('the OpenID configuration has no http or https jwks_uri');
  return uri;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
