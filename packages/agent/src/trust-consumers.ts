import type { WorkloadCertificate } from './certificate-manager.ts';
import type { TrustSnapshot } from './trust-store.ts';

/** Who uses what the agent holds: the data plane over SDS, clients of the Workload API. Only what they have taken in counts as in use. */
export interface TrustConsumer {
  /** The oldest trust that one of its clients still goes by; `none` before a client has accepted any; undefined without a client. */
  trust(): TrustSnapshot | 'none' | undefined;
  /** The oldest certificate that one of them still shows, in the same way. */
  certificate(): WorkloadCertificate | 'none' | undefined;
  /** Why one of them refused what it was sent last; empty when none did. */
  refusal(): string;
  /** Calls back when one of these changes; returns the unsubscriber. */
  subscribe(listener: () => void): () => void;
}

/** What all consumers together use: the oldest of each. Without clients it is what the agent would give to the first. */
export function inUse(
  consumers: readonly TrustConsumer[],
  held: { readonly trust: TrustSnapshot | undefined; readonly certificate: WorkloadCertificate | undefined },
): { readonly trust: readonly TrustSnapshot[]; readonly certificate: WorkloadCertificate | undefined; readonly refusal: string } {
  const trusts = consumers.flatMap((consumer) => consumer.trust() ?? []);
  const certificates = consumers.flatMap((consumer) => consumer.certificate() ?? []);
  const oldest = certificates.reduce<WorkloadCertificate | 'none' | undefined>((old, next) => {
    if (old === undefined || next === 'none') return next;
    return old === 'none' || old.notAfter <= next.notAfter ? old : next;
  }, undefined);
  return {
    trust: trusts.includes('none') ? [] : trusts.length > 0 ? trusts.filter((each) => each !== 'none') : [held.trust ?? []].flat(),
    // One that nobody has accepted yet is all the same the one that will be shown first.
    certificate: oldest === undefined || oldest === 'none' ? held.certificate : oldest,
    refusal: consumers.map((consumer) => consumer.refusal()).find((text) => text !== '') ?? '',
  };
}
