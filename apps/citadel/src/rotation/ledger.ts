/** A workload instance that follows the mesh's trust, as it last reported. Times are milliseconds since the epoch. */
export interface Instance {
  readonly identity: string;
  readonly instance: string;
  /** The version of the bundle that its consumers have accepted; 0 for none. */
  readonly bundleVersion: number;
  /** Fingerprints of the roots that its consumers trust, hex. */
  readonly roots: readonly string[];
  /** Fingerprint of the root that its certificate leads to; empty before the first. */
  readonly leafRoot: string;
  readonly leafSerial: string;
  readonly leafNotAfter: number;
  readonly reportedAt: number;
  /** Its clock minus ours. */
  readonly clockOffsetMs: number;
  readonly error: string;
  /** Whether it was seen to be a pod; undefined before anybody looked. */
  readonly pod?: boolean;
  /** The pod that its token was made for: what an instance calls itself may be the name of its machine. */
  readonly podName?: string;
}

/** A certificate that nobody has reported to use: its holder may be an agent that does not report. */
export interface UnclaimedLeaf {
  readonly identity: string;
  readonly serial: string;
  /** Who signed it. */
  readonly signer: string;
  readonly notAfter: number;
  /** The version of the bundle that went with it. */
  readonly bundleVersion: number;
}

export interface LedgerSnapshot {
  readonly instances: readonly Instance[];
  readonly leaves: readonly UnclaimedLeaf[];
  /** Those that are claimed and not yet expired: what there is to revoke. */
  readonly claimed?: readonly UnclaimedLeaf[];
  /** The longest life that a certificate was given, milliseconds. */
  readonly longestMs?: number;
}

const MAX_INSTANCES = 50_000;
const MAX_LEAVES = 20_000;
const MAX_DOMAINS = 16;

export function instanceKey(identity: string, instance: string): string {
  return `${identity} ${instance}`;
}

function partsOf(identity: string): { readonly domain: string; readonly path: string } {
  const [, domain = '', path = ''] = /^spiffe:\/\/([^/]*)(.*)$/.exec(identity) ?? [];
  return { domain, path };
}

/**
 * Who holds which certificate, as far as Citadel knows. Bounded: above its limits leaves of one identity, signer and bundle are kept as
 * one with the latest end, which errs to the side of waiting.
 */
export class Ledger {
  readonly #instances = new Map<string, Instance>();
  readonly #leaves = new Map<string, UnclaimedLeaf>();
  readonly #claimed = new Map<string, UnclaimedLeaf>();
  readonly #connected = new Map<string, number>();
  /** Trust domains of known instances: more than one only after it was changed. */
  readonly #domains = new Set<string>();
  #longestMs = 0;

  restore(snapshot: LedgerSnapshot): void {
    this.#longestMs = Math.max(this.#longestMs, snapshot.longestMs ?? 0);
    for (const instance of snapshot.instances.slice(0, MAX_INSTANCES)) {
      const key = instanceKey(instance.identity, instance.instance);
      if (this.#domains.size < MAX_DOMAINS) this.#domains.add(partsOf(instance.identity).domain);
      const known = this.#instances.get(key);
      if (known === undefined || known.reportedAt < instance.reportedAt) this.#instances.set(key, instance);
    }
    // What another replica has written may be older than what agents have told us.
    for (const key of this.#connected.keys()) {
      const instance = this.#instances.get(key);
      if (instance !== undefined) this.#renamed(instance);
    }
    for (const leaf of (snapshot.claimed ?? []).slice(0, MAX_LEAVES)) {
      this.#claimed.set(leaf.serial, leaf);
      this.#leaves.delete(leaf.serial);
    }
    for (const leaf of snapshot.leaves.slice(0, MAX_LEAVES)) if (!this.#claimed.has(leaf.serial)) this.#leaves.set(leaf.serial, leaf);
  }
  snapshot(): LedgerSnapshot {
    return {
      instances: [...this.#instances.values()],
      leaves: [...this.#leaves.values()],
      claimed: [...this.#claimed.values()],
      longestMs: this.#longestMs,
    };
  }
  instances(): Iterable<Instance> {
    return this.#instances.values();
  }
  leaves(): Iterable<UnclaimedLeaf> {
    return this.#leaves.values();
  }
  certificate(serial: string): UnclaimedLeaf | undefined {
    return this.#leaves.get(serial) ?? this.#claimed.get(serial);
  }
  certificatesOf(identity: string): UnclaimedLeaf[] {
    return [...this.#leaves.values(), ...this.#claimed.values()].filter((leaf) => leaf.identity === identity);
  }
  connected(key: string): boolean {
    return this.#connected.has(key);
  }
  get connections(): number {
    return this.#connected.size;
  }
  /** To be called before the certificate leaves the house. */
  issued(leaf: UnclaimedLeaf, now = leaf.notAfter): void {
    this.#longestMs = Math.max(this.#longestMs, leaf.notAfter - now);
    if (this.#leaves.size >= MAX_LEAVES) {
      const serial = `many ${leaf.identity} ${leaf.signer} ${leaf.bundleVersion}`;
      const known = this.#leaves.get(serial);
      this.#leaves.set(serial, { ...leaf, serial, notAfter: Math.max(leaf.notAfter, known?.notAfter ?? 0) });
      return;
    }
    this.#leaves.set(leaf.serial, leaf);
  }
  /** Nobody got it after all. */
  withdrawn(serial: string): void {
    const leaf = this.#leaves.get(serial);
    if (leaf === undefined) return;
    this.#leaves.delete(serial);
    // As if it were claimed, so that other replicas wait for it no longer either.
    if (this.#claimed.size < MAX_LEAVES) this.#claimed.set(serial, leaf);
  }
  opened(key: string): void {
    this.#connected.set(key, (this.#connected.get(key) ?? 0) + 1);
  }
  closed(key: string): void {
    const left = (this.#connected.get(key) ?? 1) - 1;
    if (left > 0) this.#connected.set(key, left);
    else this.#connected.delete(key);
  }
  /** Takes a report; false when there is no room for another instance. */
  reported(instance: Instance): boolean {
    const key = instanceKey(instance.identity, instance.instance);
    if (!this.#instances.has(key) && this.#instances.size >= MAX_INSTANCES) return false;
    this.#renamed(instance);
    const known = this.#instances.get(key);
    const pod = instance.pod ?? known?.pod;
    const podName = instance.podName ?? known?.podName;
    this.#instances.set(key, { ...instance, ...(pod === undefined ? {} : { pod }), ...(podName === undefined ? {} : { podName }) });
    // Only its own identity's leaf can be claimed.
    const leaf = this.#leaves.get(instance.leafSerial);
    if (leaf?.identity === instance.identity) {
      this.#leaves.delete(leaf.serial);
      if (this.#claimed.size < MAX_LEAVES) this.#claimed.set(leaf.serial, leaf);
    }
    return true;
  }
  /** After a change of trust domain the entry of the same agent under its old name goes: what it reports now is all that it holds. */
  #renamed({ identity, instance }: Instance): void {
    const { domain, path } = partsOf(identity);
    for (const other of this.#domains) if (other !== domain) this.gone(instanceKey(`spiffe://${other}${path}`, instance));
    if (this.#domains.size < MAX_DOMAINS) this.#domains.add(domain);
  }
  seen(key: string, pod: boolean): void {
    const known = this.#instances.get(key);
    if (known !== undefined) this.#instances.set(key, { ...known, pod });
  }
  gone(key: string): void {
    if (!this.#connected.has(key)) this.#instances.delete(key);
  }
  /** Forgets what no longer matters at `now`. */
  prune(now: number): void {
    for (const known of [this.#leaves, this.#claimed]) {
      for (const [serial, leaf] of known) if (leaf.notAfter <= now) known.delete(serial);
    }
    const holders = new Set([...this.#leaves.values()].map(({ identity }) => identity));
    for (const [key, instance] of this.#instances) {
      if (!this.#connected.has(key) && instance.leafNotAfter <= now && !holders.has(instance.identity)) this.#instances.delete(key);
    }
  }
}
