import { instanceKey, type Ledger } from './ledger.ts';
import type { Rotation } from './rotation.ts';

/** Somebody whom the rotation waits for. */
export interface Blocker {
  /** `spiffe://… instance`, or an identity for certificates that nobody has reported. */
  readonly id: string;
  readonly reason: string;
  /** When waiting ends by itself because the certificate expires; undefined while it is connected. */
  readonly until?: number;
}

/** Fingerprints of every certificate that a signer's root has had (a root that is renewed with its key has several), newest first. */
export type AnchorsOf = (signer: string) => readonly string[];

/**
 * Who stands between this phase and the next; nobody: it is proven.
 * - distributing: everybody who is connected or holds a certificate has accepted the bundle with both roots;
 * - switching: nobody holds a certificate of the root to go;
 * - retiring: everybody has accepted the bundle without it.
 */
export function blockers(rotation: Rotation, ledger: Ledger, anchorsOf: AnchorsOf, now: number): readonly Blocker[] {
  const { phase, active, other, bundleVersion } = rotation;
  if (phase === 'steady' || other === undefined) return [];
  const skipped = new Set(rotation.skipped);
  const found: Blocker[] = [];
  const holders = new Map<string, number>();
  for (const leaf of ledger.leaves()) {
    if (leaf.notAfter <= now) continue;
    holders.set(leaf.identity, Math.max(leaf.notAfter, holders.get(leaf.identity) ?? 0));
    if (skipped.has(leaf.identity)) continue;
    const until = { until: leaf.notAfter };
    if (phase === 'switching') {
      if (leaf.signer === other)
        found.push({ id: leaf.identity, reason: `holds certificate ${leaf.serial} of the root to go, unreported`, ...until });
    } else if (leaf.bundleVersion < bundleVersion) {
      found.push({ id: leaf.identity, reason: `got certificate ${leaf.serial} with an older bundle, does not report`, ...until });
    }
  }
  for (const instance of ledger.instances()) {
    const key = instanceKey(instance.identity, instance.instance);
    if (skipped.has(key) || skipped.has(instance.instance) || skipped.has(instance.identity)) continue;
    const connected = ledger.connected(key);
    // Away, it may still have fetched a certificate that it could not report.
    const until = Math.max(instance.leafNotAfter, holders.get(instance.identity) ?? 0);
    if (!connected && until <= now) continue;
    const wait = connected ? {} : { until };
    const error = instance.error === '' ? '' : `: ${instance.error}`;
    const away = connected ? '' : ', not connected';
    if (phase === 'switching') {
      // One of a third root is of a signer outside, which this rotation is not about.
      const toGo = instance.leafRoot === '' || anchorsOf(other).includes(instance.leafRoot);
      const holds = instance.leafNotAfter > now && toGo;
      if (holds) found.push({ id: key, reason: `its certificate leads to the root to go${away}${error}`, ...wait });
      continue;
    }
    const knows = instance.bundleVersion >= bundleVersion && anchorsOf(active).some((anchor) => instance.roots.includes(anchor));
    const trustsOther = anchorsOf(other).some((anchor) => instance.roots.includes(anchor));
    if (!knows || trustsOther !== (phase === 'distributing')) {
      found.push({ id: key, reason: `has accepted bundle ${instance.bundleVersion}, not ${bundleVersion}${away}${error}`, ...wait });
    }
  }
  return found;
}

/** Whoever follows the bundle endpoint says nothing back, so a new root stays published for a time before it signs. */
export function publicationBlocker({ phase, since, skipped }: Rotation, publishForMs: number, now: number): readonly Blocker[] {
  const until = since + publishForMs;
  if (phase !== 'distributing' || until <= now || skipped.includes('federation')) return [];
  return [{ id: 'federation', reason: 'other trust domains are still asking for the bundle with the new root', until }];
}
