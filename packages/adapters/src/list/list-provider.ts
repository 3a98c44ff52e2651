import { open } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Result } from '@xebec/core';
import { type Clock, err, errorText, type Logger, ok } from '@xebec/core';

export const MAX_LIST_BYTES = 16 * 1024 * 1024;
const MAX_ENTRIES = 1_000_000;
const TIME_LIMIT_MS = 10_000;

export interface ListProviderOptions {
  /** `http:`, `https:` or `file:`. */
  readonly url: string;
  readonly refreshMs: number;
  /** A list that could not be read again for this long is dropped. */
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes the lines of a list that differs from the one before; says what is wrong with them, and then the one before stays. */
  readonly install: (entries: readonly string[]) => string | undefined;
  readonly drop: () => void;
}

/** Reads a list from a URL, a line an entry, again and again. A provider that is away is logged once, and once when it is back. */
export class ListProvider {
  readonly #options: ListProviderOptions;
  readonly #abort = new AbortController();
  #cancelRefresh: () => void = () => undefined;
  #cancelPurge: () => void = () => undefined;
  #latest: string | undefined;
  #problem: string | undefined;
  #first: Promise<void>;

  constructor(options: ListProviderOptions) {
    this.#options = options;
    this.#first = this.#refresh();
  }
  /** Resolves when the list was read, or could not be, for the first time. */
  get first(): Promise<void> {
    return this.#first;
  }
  /** Why there is no fresh list; undefined when there is. */
  get problem(): string | undefined {
    return this.#problem;
  }
  close(): void {
    this.#abort.abort();
    this.#cancelRefresh();
    this.#cancelPurge();
  }

  async #refresh(): Promise<void> {
    const { url, refreshMs, clock, logger, install } = this.#options;
    const text = await readText(url, this.#abort.signal);
    if (this.#abort.signal.aborted) return;
    const problem = text.ok ? this.#take(text.value, install) : text.error;
    if (problem === undefined) {
      if (this.#problem !== undefined) logger.info({ url: withoutSecrets(url) }, 'the list can be read again');
      this.#keep();
    } else if (this.#problem === undefined) {
      logger.warn({ url: withoutSecrets(url) }, `cannot read the list: ${problem}; the last one stays for its ttl`);
    }
    this.#problem = problem;
    this.#cancelRefresh = clock.setTimeout(() => void this.#refresh(), refreshMs);
  }
  #take(text: string, install: ListProviderOptions['install']): string | undefined {
    if (text === this.#latest) return undefined;
    const entries = text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
    const problem = entries.length > MAX_ENTRIES ? `${entries.length} entries are more than ${MAX_ENTRIES}` : install(entries);
    if (problem === undefined) this.#latest = text;
    return problem;
  }
  #keep(): void {
    const { ttlMs, clock, logger, drop, url } = this.#options;
    this.#cancelPurge();
    this.#cancelPurge = clock.setTimeout(() => {
      logger.warn({ url: withoutSecrets(url) }, 'the list is dropped: it could not be read again for its ttl');
      this.#latest = undefined;
      drop();
    }, ttlMs);
  }
}

async function readText(url: string, closed: AbortSignal): Promise<Result<string, string>> {
  try {
    if (url.startsWith('file:')) return await readFileText(fileURLToPath(url));
    const signal = AbortSignal.any([closed, AbortSignal.timeout(TIME_LIMIT_MS)]);
    const response = await fetch(url, { signal, headers: { accept: 'text/plain, */*' } });
    if (response.status !== 200) {
      await response.body?.cancel();
      return err(`it answered ${response.status}`);
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length;
      if (bytes > MAX_LIST_BYTES) return err(`it is longer than ${MAX_LIST_BYTES} bytes`);
      chunks.push(chunk);
    }
    return ok(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? `: ${errorText(error.cause)}` : '';
    return err(`${errorText(error)}${cause}`);
  }
}

async function readFileText(path: string): Promise<Result<string, string>> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    return size > MAX_LIST_BYTES ? err(`it is longer than ${MAX_LIST_BYTES} bytes`) : ok(await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Passwords and tokens of URLs stay out of logs. */
function withoutSecrets(url: string): string {
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}
