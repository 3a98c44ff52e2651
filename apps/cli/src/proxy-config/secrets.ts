import { X509Certificate } from 'node:crypto';
import { formatTable } from '../table.ts';
import type { SecretInDump } from './dump.ts';
import { pemOf, trustedRoots } from './trusted-roots.ts';

export interface SecretRow {
  readonly name: string;
  readonly type: 'Cert Chain' | 'CA' | '';
  readonly status: string;
  readonly valid: boolean;
  readonly serialNumber: string;
  /** RFC 3339, seconds. */
  readonly notAfter: string;
  readonly notBefore: string;
}

function seconds(date: string): string {
  return new Date(date).toISOString().replace(/\.\d+Z$/, 'Z');
}

function certificateRow(name: string, type: SecretRow['type'], status: string, pem: string, now: number): SecretRow {
  const empty = { name, type, status, valid: false, serialNumber: '', notAfter: '', notBefore: '' };
  if (!pem.includes('BEGIN CERTIFICATE')) return empty;
  const certificate = new X509Certificate(pem);
  const valid = Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo);
  return {
    ...empty,
    valid,
    serialNumber: certificate.serialNumber.toLowerCase(),
    notAfter: seconds(certificate.validTo),
    notBefore: seconds(certificate.validFrom),
  };
}

/** One row per secret, and per trust domain where each has roots of its own; `now` in milliseconds decides what is valid. */
export function secretRows(secrets: readonly SecretInDump[], now: number): SecretRow[] {
  return secrets.flatMap(({ name, state, secret }) => {
    const type = secret?.type;
    if (type?.case === 'tlsCertificate') return certificateRow(name, 'Cert Chain', state, pemOf(type.value.certificateChain), now);
    if (type?.case === 'validationContext')
      return trustedRoots(type.value).map(({ trustDomain, pem }) =>
        certificateRow(trustDomain === undefined ? name : `${name} (${trustDomain})`, 'CA', state, pem, now),
      );
    return certificateRow(name, '', state, '', now);
  });
}

export function secretTable(rows: readonly SecretRow[]): string {
  return formatTable(
    ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'],
    rows.map((row) => [row.name, row.type, row.status, String(row.valid), row.serialNumber, row.notAfter, row.notBefore]),
  );
}
