import { bitString, der, sequence, time, unsignedInteger } from './der.ts';
import { afterSigning, type LocalSigner, type Signer } from './signer.ts';

/** Clocks of the mesh may differ by this much: certificates are valid from so long before they are made. */
export const BACKDATE_MS = 2 * 60_000;

export const VERSION_3 = der(0xa0, unsignedInteger(Uint8Array.of(2)));

/** What a certificate says (RFC 5280 4.1.2); names and keys are DER, times are milliseconds since the epoch. */
export interface CertificateBody {
  readonly serial: Uint8Array;
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly spki: Uint8Array;
  readonly extensions: readonly Uint8Array[];
}

/** Positive, not zero, and of the same length always: RFC 5280 4.1.2.2. */
export function positiveSerial(random: Uint8Array): Uint8Array {
  const serial = Uint8Array.from(random);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  return serial;
}

/** The DER of a certificate of any shape. */
export function signCertificate(body: CertificateBody, signer: LocalSigner): Uint8Array;
export function signCertificate(body: CertificateBody, signer: Signer): Uint8Array | Promise<Uint8Array>;
export function signCertificate(body: CertificateBody, signer: Signer): Uint8Array | Promise<Uint8Array> {
  const tbs = sequence(
    VERSION_3,
    unsignedInteger(positiveSerial(body.serial)),
    signer.algorithm,
    body.issuer,
    sequence(time(body.notBefore), time(body.notAfter)),
    body.subject,
    body.spki,
    der(0xa3, sequence(...body.extensions)),
  );
  return afterSigning(signer.sign(tbs), (signature) => sequence(tbs, signer.algorithm, bitString(signature)));
}
