import type { Clock } from '@xebec/core';
import type { WorkloadCertificate } from '../certificate-manager.ts';
import type { TrustConsumer } from '../trust-consumers.ts';
import type { TrustSnapshot } from '../trust-store.ts';
import type { LoadedSecret } from './secret-source.ts';

/** A data plane whose stream broke still goes by what it had: it is counted until it must have come again, in milliseconds. */
const GONE_AFTER_MS = 60_000;

/** What one stream was sent of one secret, and took. */
interface Subscription {
  readonly name: string;
  sent: LoadedSecret | undefined;
  accepted: LoadedSecret | undefined;
}

/** One stream's part of the account. */
export interface StreamAcceptance {
  /** The names that the stream asks for now. */
  wants(names: readonly string[]): void;
  sent(nonce: string, secrets: readonly LoadedSecret[]): void;
  accepted(nonce: string): void;
  refused(nonce: string, message: string): void;
  /** The stream is over. */
  end(): void;
}

export interface AcceptanceLedger extends TrustConsumer {
  open(): StreamAcceptance;
}

/**
 * Which trust and which certificate the data plane has taken in over all its SDS streams. `held` is what would be sent now: content that
 * was accepted under an older version of the bundle counts as the current one when it is the same.
 */
export function createAcceptanceLedger(
  clock: Clock,
  held: () => TrustSnapshot | undefined,
  versionOf: (trust: TrustSnapshot) => string,
): AcceptanceLedger {
  const subscriptions = new Set<Subscription>();
  const listeners = new Set<() => void>();
  const refusals = new Map<Subscription, string>();
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  const forget = (subscription: Subscription) => {
    refusals.delete(subscription);
    if (subscriptions.delete(subscription)) tell();
  };
  const of = (name: string) => [...subscriptions].filter((subscription) => subscription.name === name);
  return {
    trust() {
      const current = held();
      let oldest: TrustSnapshot | undefined;
      for (const { accepted } of of('ROOTCA')) {
        if (accepted?.trust === undefined) return 'none';
        const same = current !== undefined && versionOf(current) === accepted.version;
        const trust = same ? current : accepted.trust;
        if (oldest === undefined || trust.bundleVersion < oldest.bundleVersion) oldest = trust;
      }
      return oldest;
    },
    certificate() {
      let oldest: WorkloadCertificate | undefined;
      for (const { accepted } of of('default')) {
        if (accepted?.certificate === undefined) return 'none';
        if (oldest === undefined || accepted.certificate.notAfter < oldest.notAfter) oldest = accepted.certificate;
      }
      return oldest;
    },
    refusal: () => [...refusals.values()][0] ?? '',
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    open() {
      const own = new Map<string, Subscription>();
      let pending = new Map<string, readonly LoadedSecret[]>();
      return {
        wants(names) {
          for (const name of names) {
            if (own.has(name) || (name !== 'default' && name !== 'ROOTCA')) continue;
            const subscription = { name, sent: undefined, accepted: undefined };
            own.set(name, subscription);
            subscriptions.add(subscription);
          }
          for (const [name, subscription] of own) {
            if (names.includes(name)) continue;
            own.delete(name);
            forget(subscription);
          }
        },
        sent(nonce, secrets) {
          pending.set(nonce, secrets);
          for (const secret of secrets) {
            const subscription = own.get(secret.name);
            if (subscription !== undefined) subscription.sent = secret;
          }
        },
        accepted(nonce) {
          const secrets = pending.get(nonce);
          if (secrets === undefined) return;
          pending.delete(nonce);
          for (const secret of secrets) {
            const subscription = own.get(secret.name);
            if (subscription === undefined) continue;
            subscription.accepted = secret;
            refusals.delete(subscription);
          }
          tell();
        },
        refused(nonce, message) {
          const secrets = pending.get(nonce) ?? [];
          pending.delete(nonce);
          for (const secret of secrets) {
            const subscription = own.get(secret.name);
            if (subscription !== undefined) refusals.set(subscription, `${secret.name}: ${message}`.slice(0, 500));
          }
          tell();
        },
        end() {
          pending = new Map();
          for (const subscription of own.values()) {
            // One that never took anything has nothing to go by.
            if (subscription.accepted === undefined) forget(subscription);
            else if (clock.setBackgroundTimeout === undefined) clock.setTimeout(() => forget(subscription), GONE_AFTER_MS);
            else clock.setBackgroundTimeout(() => forget(subscription), GONE_AFTER_MS);
          }
          own.clear();
        },
      };
    },
  };
}
