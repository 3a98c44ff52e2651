/** A signing key's life, all times in milliseconds since the epoch. */
export interface RingKey {
  readonly kid: string;
  /** Since when it stands in the trust bundle. */
  readonly publishedAt: number;
  /** When it begins to sign; the key that signed before stops. */
  readonly signsFrom: number;
  /** When it stops to sign at the latest. */
  readonly signsUntil: number;
}

export interface KeyRingPolicy {
  /** How long one key signs. */
  readonly keyLifeMs: number;
  /** How long before its first use a key is published, so that every verifier has it by then. */
  readonly publishAheadMs: number;
  /** The longest life of a token: a key is published this long after it has stopped to sign. */
  readonly maxTokenTtlMs: number;
}

export interface KeyRingStep<K extends RingKey> {
  /** Those that stay published. */
  readonly keep: readonly K[];
  /** A key to be made now, with these times. */
  readonly add: Omit<RingKey, 'kid'> | undefined;
  /** When the ring wants to be looked at again. */
  readonly nextAt: number;
}

/** What is due now: keys whose tokens have all expired go, and the next key is published long enough before it signs. Pure. */
export function stepKeyRing<K extends RingKey>(keys: readonly K[], now: number, policy: KeyRingPolicy): KeyRingStep<K> {
  const { keyLifeMs, publishAheadMs, maxTokenTtlMs } = policy;
  const keep = keys.filter((key) => key.signsUntil + maxTokenTtlMs > now);
  const lastUntil = Math.max(0, ...keep.map((key) => key.signsUntil));
  // Nothing signs any longer (the first start, or a long time away): the new key cannot be announced.
  const late = lastUntil <= now;
  const due = late || lastUntil - publishAheadMs <= now;
  const from = late ? now : lastUntil;
  const add = due ? { publishedAt: now, signsFrom: from, signsUntil: from + keyLifeMs } : undefined;
  const until = add?.signsUntil ?? lastUntil;
  const times = [
    until - publishAheadMs,
    ...keep.map((key) => key.signsUntil + maxTokenTtlMs),
    ...[...keep, ...(add === undefined ? [] : [add])].map((key) => key.signsFrom),
  ];
  return { keep, add, nextAt: Math.min(...times.filter((time) => time > now)) };
}

/** The key that signs now: of those that may, the one that began last. */
export function signingKey<K extends RingKey>(keys: readonly K[], now: number): K | undefined {
  return keys.filter((key) => key.signsFrom <= now && now < key.signsUntil).toSorted((a, b) => b.signsFrom - a.signsFrom)[0];
}
