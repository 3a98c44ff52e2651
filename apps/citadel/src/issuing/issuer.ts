import { randomBytes } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import type { Clock } from '@xebec/core';
import { type Authority, type CertificateRequest, certificateChain, issueLeaf, type Signer, type SpiffeId } from '@xebec/identity';
import { CallRefused } from '../authenticators/call-refused.ts';

/** A certificate that is to be made: the names are the authenticated caller's, the request gives only the key. */
export interface CertificateOrder {
  readonly id: SpiffeId;
  readonly dnsNames: readonly string[];
  readonly ttlMs: number;
  readonly request: CertificateRequest;
  /** As it came, for signers that read requests themselves. */
  readonly csrPem: string;
}

export interface IssuedCertificate {
  /** PEM: the leaf, each intermediate, then the root bundle as one element. */
  readonly chain: readonly string[];
  /** Lower-case hex without leading zeros. */
  readonly serialNumber: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** Who signs leaves: the CA's own key, or a signer outside. Rejects with a CallRefused or a XebecError. */
export interface Issuer {
  issue(order: CertificateOrder): Promise<IssuedCertificate> | IssuedCertificate;
}

/** Signs with the authority that is current at that moment. */
export function createAuthorityIssuer(authority: () => Authority<Signer> | undefined, clock: Clock): Issuer {
  return {
    issue(order) {
      const current = authority();
      if (current === undefined) throw new CallRefused(status.UNAVAILABLE, 'the root certificate is not loaded yet, try again');
      const { id, dnsNames, ttlMs, request } = order;
      const finish = (leaf: Awaited<ReturnType<typeof issueLeaf>>): IssuedCertificate => {
        if (!leaf.ok) throw new CallRefused(status.INTERNAL, `CSR signing error (${leaf.error.code}: ${leaf.error.message})`);
        const { serialNumber, notAfter } = leaf.value;
        return { chain: certificateChain(current, leaf.value), serialNumber, notAfter };
      };
      const leaf = issueLeaf(current, request, { uri: id, dnsNames, ttlMs, now: clock.now(), serial: randomBytes(16) });
      // A key in this process signs at once: no promise, no turn of the event loop.
      return leaf instanceof Promise ? leaf.then(finish) : finish(leaf);
    },
  };
}
