import { gunzipSync, gzipSync } from 'node:zlib';
import { XebecError } from '@xebec/core';
import type { AuthorityPem } from '../authority-store.ts';
import type { LedgerSnapshot } from '../rotation/ledger.ts';
import type { ReplicaMarks } from '../rotation/replicas.ts';
import type { Rotation } from '../rotation/rotation.ts';

/** A signer as it is kept: who made it, and every certificate that its root has had, newest first. */
export interface KeptSigner {
  readonly kind: 'self-signed' | 'plugged-in';
  /** Its private key is empty where `keyName` is not. */
  readonly pem: AuthorityPem;
  /** The key's name at the key manager that has it. */
  readonly keyName?: string;
  readonly anchors: readonly string[];
}

/** A certificate that is to be trusted no more, until it would have expired. */
export interface RevokedCertificate {
  readonly serial: string;
  readonly signer: string;
  readonly revokedAt: number;
  readonly notAfter: number;
}

/** All that Citadel must know again after a crash, written as one: who signs, what is going on, who holds what. */
export interface CaDocument {
  readonly format: 1;
  readonly rotation: Rotation;
  readonly signers: Readonly<Record<string, KeptSigner>>;
  readonly ledger: LedgerSnapshot;
  readonly revoked: readonly RevokedCertificate[];
  /** Number of the last revocation list (RFC 5280 5.2.3). */
  readonly crlNumber: number;
  /** Whether its writer ended in good order, with everything written. */
  readonly clean?: boolean;
  /** Who works on it, by name. */
  readonly replicas?: ReplicaMarks;
  /** Roots of a signer outside, PEM. */
  readonly extraRootPem?: string;
}

const MAX_BYTES = 64 << 20;

/** Compressed, because a Secret ends at 1 MiB: 5,000 instances take about 150 kB. */
export function encodeDocument(document: CaDocument): Buffer {
  return gzipSync(JSON.stringify(document), { level: 1 });
}

/** Throws a XebecError `E_CA_STORE` for what Citadel has not written. */
export function decodeDocument(bytes: Uint8Array, where: string): CaDocument {
  let value: unknown;
  try {
    value = JSON.parse(gunzipSync(bytes, { maxOutputLength: MAX_BYTES }).toString('utf8'));
  } catch {
    // The cause could quote key material.
    throw new XebecError('E_CA_STORE', `${where} cannot be read: it is not what Citadel wrote; restore it or delete it`);
  }
  if (!isDocument(value)) throw new XebecError('E_CA_STORE', `${where} has a format that this version does not read`);
  return value;
}

/** Citadel alone writes it, so the format's number and the parts that everything hangs on are looked at, not each field. */
function isDocument(value: unknown): value is CaDocument {
  if (typeof value !== 'object' || value === null || !('format' in value) || value.format !== 1) return false;
  if (!('rotation' in value) || !('signers' in value) || typeof value.signers !== 'object' || value.signers === null) return false;
  const { rotation } = value;
  return typeof rotation === 'object' && rotation !== null && 'active' in rotation && String(rotation.active) in value.signers;
}
