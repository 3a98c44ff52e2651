import { X509Certificate } from 'node:crypto';
import { type Fields, record, text } from '../fields.ts';

/** Certificate and key of a Secret, as PEM.. */
export interface SecretCredential {
  readonly field: string;
  readonly certificate: string;
  readonly key: string;
}

const MAX_CERTIFICATES = 32;
const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** Reads `cert`/`key` or `tls.crt`/`tls.key`, from `data` (base64) or `stringData`; undefined where either is missing or empty. */
export function secretCredential(content: Fields): SecretCredential | undefined {
  for (const [field, keyField] of [
    ['cert', 'key'],
    ['tls.crt', 'tls.key'],
  ] as const) {
    const certificate = secretValue(content, field);
    const key = secretValue(content, keyField);
    if (certificate !== '' && key !== '') return { field, certificate, key };
  }
  return undefined;
}

function secretValue(content: Fields, field: string): string {
  const encoded = text(record(content['data'])[field]);
  return encoded === '' ? text(record(content['stringData'])[field]) : Buffer.from(encoded, 'base64').toString('utf8');
}

export interface CertificatePeriod {
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Validity periods of the certificates of a PEM bundle; stops at the first that cannot be read. */
export function readCertificates(pem: string): readonly CertificatePeriod[] {
  const periods: CertificatePeriod[] = [];
  for (const block of (pem.match(PEM) ?? []).slice(0, MAX_CERTIFICATES)) {
    try {
      const certificate = new X509Certificate(block);
      periods.push({ notBefore: Date.parse(certificate.validFrom), notAfter: Date.parse(certificate.validTo) });
    } catch {
      return periods;
    }
  }
  return periods;
}
