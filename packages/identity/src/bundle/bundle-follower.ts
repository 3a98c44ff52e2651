import { Backoff, type Clock, errorText, type Logger, type Random, XebecError } from '@xebec/core';
import type { Refusal } from '../refusal.ts';
import { type BundleDocument, parseBundle } from './bundle-document.ts';

/** Resolves to the document at the endpoint; rejects with one line. `known` is the last good one, by which https_spiffe judges the server. */
export type FetchBundle = (known: BundleDocument | undefined, signal: AbortSignal) => Promise<string>;

export interface BundleFollowerOptions {
  /** Stands in logs: the URL. */
  readonly name: string;
  readonly fetch: FetchBundle;
  /** The last good document of an earlier run. */
  readonly initial?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The bundle of one endpoint as it changes. */
export interface BundleFollower {
  /** Undefined before the first good document. A document that is old because the endpoint is away is still the last good one. */
  current(): BundleDocument | undefined;
  /** The text of the same, to be kept for the next run. */
  text(): string | undefined;
  lastError(): string | undefined;
  subscribe(listener: () => void): () => void;
  close(): void;
}

/** SPIFFE Federation 4.1: every five minutes where the publisher does not say. */
const DEFAULT_REFRESH_MS = 300_000;
const MIN_REFRESH_MS = 1000;
const MAX_REFRESH_MS = 24 * 3_600_000;
const BACKOFF = { baseMs: 1000, maxMs: 300_000 };

/**
 * Asks an endpoint again and again: as often as its document hints, with back-off while it is away. A document that cannot be read,
 * or whose sequence number is lower than that of the last, changes nothing (an old copy must not bring retired keys back).
 */
export function followBundle(options: BundleFollowerOptions): BundleFollower {
  const { clock, logger, name } = options;
  const backoff = new Backoff(BACKOFF, options.random);
  const listeners = new Set<() => void>();
  const abort = new AbortController();
  const initial = options.initial === undefined ? undefined : parseBundle(options.initial);
  let current = initial?.ok === true ? initial.value : undefined;
  let text = initial?.ok === true ? options.initial : undefined;
  let failure: string | undefined;
  let cancel: () => void = () => undefined;

  const ask = async () => {
    const fetched = await options.fetch(current, abort.signal);
    if (fetched === text) return;
    const next = accept(current, parseBundle(fetched));
    text = fetched;
    current = next;
    logger.info({ endpoint: name, sequence: next.sequence, roots: next.roots.length, jwtKeys: next.jwtKeys.length }, 'new trust bundle');
    for (const listener of [...listeners]) listener();
  };
  const run = () => {
    ask().then(
      () => {
        if (abort.signal.aborted) return;
        if (failure !== undefined) logger.info({ endpoint: name }, 'the bundle endpoint answers again');
        failure = undefined;
        backoff.reset();
        cancel = clock.setTimeout(run, refreshMs(current));
      },
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const line = errorText(error);
        if (failure !== line)
          logger.warn(
            { code: error instanceof XebecError ? error.code : 'E_BUNDLE_ENDPOINT', endpoint: name },
            `no new trust bundle: ${line}`,
          );
        failure = line;
        cancel = clock.setTimeout(run, backoff.nextMs());
      },
    );
  };
  run();
  return {
    current: () => current,
    text: () => text,
    lastError: () => failure,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      abort.abort();
      cancel();
      listeners.clear();
    },
  };
}

function accept(
  current: BundleDocument | undefined,
  parsed: { readonly ok: true; readonly value: BundleDocument } | { readonly ok: false; readonly error: Refusal },
): BundleDocument {
  if (!parsed.ok) throw new XebecError(parsed.error.code, parsed.error.message);
  const { sequence } = parsed.value;
  if (current?.sequence !== undefined && sequence !== undefined && sequence < current.sequence)
    throw new XebecError('E_BUNDLE', `the sequence number went back from ${current.sequence} to ${sequence}`);
  return parsed.value;
}

function refreshMs(bundle: BundleDocument | undefined): number {
  return Math.min(MAX_REFRESH_MS, Math.max(MIN_REFRESH_MS, bundle?.refreshHintMs ?? DEFAULT_REFRESH_MS));
}
