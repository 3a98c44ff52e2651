import { type Clock, errorText, type Logger } from '@xebec/core';
import type { ConfigObject, RequestAuthenticationSpec } from '@xebec/schemas';

export interface KeySetsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives the body that a URI answers with; rejects when it does not answer in time, or not with 200. */
  readonly fetch: (uri: string) => Promise<string>;
}

const REFRESH_MS = 20 * 60_000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 60_000;
const FETCH_TIMEOUT_MS = 5000;
const MAX_BYTES = 1 << 20;

interface Entry {
  cancel: () => void;
  text?: string;
  retryMs: number;
}

/** The key sets that RequestAuthentications name by URI: fetched when first named, again every 20 minutes, sooner after a failure. */
export class KeySets {
  readonly #options: KeySetsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<() => void>();
  #current: ReadonlyMap<string, string> = new Map();

  constructor(options: KeySetsOptions) {
    this.#options = options;
  }
  /** Texts by URI. Another map whenever one of them is another. */
  get current(): ReadonlyMap<string, string> {
    return this.#current;
  }
  subscribe(listener: () => void): void {
    this.#listeners.add(listener);
  }
  /** Fetches what these objects name, and forgets what none of them names any more. */
  want(config: readonly ConfigObject[]): void {
    const uris = new Set(config.flatMap(urisOf));
    for (const [uri, entry] of this.#entries) {
      if (uris.has(uri)) continue;
      entry.cancel();
      this.#entries.delete(uri);
    }
    for (const uri of uris) if (!this.#entries.has(uri)) this.#start(uri);
  }
  close(): void {
    this.want([]);
  }

  #start(uri: string): void {
    const entry: Entry = { cancel: () => undefined, retryMs: FIRST_RETRY_MS };
    this.#entries.set(uri, entry);
    void this.#load(uri, entry);
  }

  async #load(uri: string, entry: Entry): Promise<void> {
    let delayMs = REFRESH_MS;
    try {
      const text = await this.#options.fetch(uri);
      if (!isKeySet(text)) throw new Error('what it answers is no key set');
      entry.retryMs = FIRST_RETRY_MS;
      if (this.#entries.get(uri) === entry && entry.text !== text) {
        entry.text = text;
        this.#publish();
      }
    } catch (error) {
      this.#options.logger.warn({ uri, error: errorText(error) }, 'cannot fetch key set');
      // Keys that were good stay: whoever signs with them need not suffer from a server that is away.
      delayMs = entry.retryMs;
      entry.retryMs = Math.min(entry.retryMs * 2, LAST_RETRY_MS);
    }
    if (this.#entries.get(uri) === entry) entry.cancel = this.#options.clock.setTimeout(() => void this.#load(uri, entry), delayMs);
  }

  #publish(): void {
    this.#current = new Map([...this.#entries].flatMap(([uri, { text }]) => (text === undefined ? [] : [[uri, text] as const])));
    for (const listener of this.#listeners) listener();
  }
}

/** Over HTTP and HTTPS, by Node's own client. */
export async function fetchKeySet(uri: string): Promise<string> {
  const response = await fetch(uri, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  const text = await response.text();
  if (text.length > MAX_BYTES) throw new Error(`more than ${MAX_BYTES} bytes`);
  return text;
}

function urisOf(object: ConfigObject): string[] {
  if (object.kind !== 'RequestAuthentication') return [];
  // Objects of a kind have been checked against its schema.
  const { jwtRules } = object.spec as RequestAuthenticationSpec;
  return (jwtRules ?? []).flatMap(({ jwks, jwksUri }) =>
    (jwks === undefined || jwks === '') && jwksUri !== undefined && /^https?:/.test(jwksUri) ? [jwksUri] : [],
  );
}

function isKeySet(text: string): boolean {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null && 'keys' in parsed && Array.isArray(parsed.keys);
  } catch {
    return false;
  }
}
