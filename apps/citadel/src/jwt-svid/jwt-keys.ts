import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { type Clock, errorText, type Logger, XebecError } from '@xebec/core';
import { generateKeys, type JwtKey, jwtKeySet, type KeyRingPolicy, type RingKey, signingKey, stepKeyRing } from '@xebec/identity';
import type { KeptText } from './kept-text.ts';

interface SigningKey extends RingKey {
  readonly privateKey: KeyObject;
}

/** The keys that sign this trust domain's tokens. */
export interface JwtKeys {
  /** Undefined before the first could be stored, or when none is good any longer. */
  signing(): { readonly kid: string; readonly privateKey: KeyObject } | undefined;
  /** Public halves of every key that a valid token may be signed with, and of the next. */
  published(): readonly JwtKey[];
  /** The same as a JWKS; empty for none. */
  jwks(): string;
  /** Grows with each change of the published keys, also over restarts. */
  sequence(): number;
  /** Calls back when the published keys change. */
  subscribe(listener: () => void): () => void;
  close(): void;
}

export interface JwtKeysOptions {
  readonly store: KeptText;
  readonly policy: KeyRingPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often the store is looked at for what other replicas have written. */
const LOOK_MS = 60_000;
const RETRY_MS = 2000;
const MAX_STORED = 64;

/** Keeps the keys: the next one is published before it signs, the last one until its tokens have expired. Starts at once. */
export function createJwtKeys(options: JwtKeysOptions): JwtKeys {
  const { store, policy, clock, logger } = options;
  const listeners = new Set<() => void>();
  let keys: readonly SigningKey[] = [];
  let sequence = 0;
  let failure: string | undefined;
  let closed = false;
  let cancel: () => void = () => undefined;

  const round = async (): Promise<number> => {
    const stored = await store.load();
    const known = stored === undefined ? { sequence: 0, keys: [] } : readKeys(stored.text, store.description);
    const step = stepKeyRing(known.keys, clock.now(), policy);
    let next = step.keep;
    let number = known.sequence;
    if (step.add !== undefined) next = [...next, await makeKey(step.add)];
    if (step.add !== undefined || step.keep.length !== known.keys.length) {
      // Written before it is shown to anybody: a key that is lost again would make tokens that nobody can judge.
      number++;
      if (!(await store.save(writeKeys(number, next), stored))) return 0;
      logger.info({ keys: next.map(({ kid }) => kid), store: store.description }, 'keys for JWT-SVIDs changed');
    }
    if (closed) return LOOK_MS;
    const before = keys.map(({ kid }) => kid).join();
    keys = next;
    sequence = number;
    if (before !== keys.map(({ kid }) => kid).join()) for (const listener of [...listeners]) listener();
    return Math.min(LOOK_MS, Math.max(100, step.nextAt - clock.now()));
  };
  const run = () => {
    round().then(
      (delayMs) => {
        if (failure !== undefined) logger.info({ store: store.description }, 'the keys for JWT-SVIDs can be kept again');
        failure = undefined;
        if (!closed) cancel = clock.setTimeout(run, delayMs);
      },
      (error: unknown) => {
        const text = errorText(error).slice(0, 200);
        if (failure === undefined)
          logger.warn({ code: error instanceof XebecError ? error.code : 'E_CA_STORE' }, `no keys for JWT-SVIDs, trying on: ${text}`);
        failure = text;
        if (!closed) cancel = clock.setTimeout(run, RETRY_MS);
      },
    );
  };
  run();

  let written: { readonly of: unknown; readonly text: string } | undefined;
  const published = () => keys.map(({ kid, privateKey }) => ({ kid, publicKey: createPublicKey(privateKey) }));
  return {
    signing: () => signingKey(keys, clock.now()),
    published,
    sequence: () => sequence,
    jwks() {
      // Every instruction to every agent carries it.
      if (written?.of !== keys) written = { of: keys, text: keys.length === 0 ? '' : jwtKeySet(published()) };
      return written.text;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      closed = true;
      cancel();
      listeners.clear();
    },
  };
}

async function makeKey(times: Omit<RingKey, 'kid'>): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeys('ecdsa-p256');
  // The key's own fingerprint: two replicas can never give one name to two keys.
  const kid = createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest('base64url')
    .slice(0, 22);
  return { kid, privateKey, ...times };
}

function writeKeys(sequence: number, keys: readonly SigningKey[]): string {
  return JSON.stringify({
    sequence,
    keys: keys.map(({ privateKey, ...rest }) => ({ ...rest, privateKey: privateKey.export({ format: 'pem', type: 'pkcs8' }) })),
  });
}

function readKeys(text: string, where: string): { readonly sequence: number; readonly keys: readonly SigningKey[] } {
  const refused = new XebecError(
    'E_CA_STORE',
    `${where} does not hold keys for JWT-SVIDs; restore it, or delete it and all tokens with it`,
  );
  try {
    const value: unknown = JSON.parse(text);
    const keys: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'keys') : undefined;
    const sequence: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'sequence') : undefined;
    if (!Array.isArray(keys) || keys.length > MAX_STORED || typeof sequence !== 'number') throw refused;
    const read = keys.map((key: unknown) => {
      const field = (name: string): unknown => (typeof key === 'object' && key !== null ? Reflect.get(key, name) : undefined);
      const [kid, pem] = [field('kid'), field('privateKey')];
      const [publishedAt, signsFrom, signsUntil] = [field('publishedAt'), field('signsFrom'), field('signsUntil')];
      if (typeof kid !== 'string' || typeof pem !== 'string') throw refused;
      if (typeof publishedAt !== 'number' || typeof signsFrom !== 'number' || typeof signsUntil !== 'number') throw refused;
      return { kid, publishedAt, signsFrom, signsUntil, privateKey: createPrivateKey(pem) };
    });
    return { sequence, keys: read };
  } catch {
    // The cause could quote key material.
    throw refused;
  }
}
