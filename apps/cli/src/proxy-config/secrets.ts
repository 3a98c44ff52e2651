import { X509Certificate } from 'node:crypto';
import type { DataSource } from '@xebec/protos/envoy/config/core/v3/base';
import { formatTable } from '../table.ts';
import type { SecretInDump } from './dump.ts';

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

function pemOf(source: DataSource | undefined): string {
  if (source?.specifier.case === 'inlineBytes') return Buffer.from(source.specifier.value).toString('utf8');
  return source?.specifier.case === 'inlineString' ? source.specifier.value : '';
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

/** One row per secret; `now` in milliseconds decides what is valid. */
export function secretRows(secrets: readonly SecretInDump[], now: number): SecretRow[] {
  return secrets.map(({ name, state, secret }) => {
    const type = secret?.type;
    if (type?.case === 'tlsCertificate') return certificateRow(name, 'Cert Chain', state, pemOf(type.value.certificateChain), now);
    if (type?.case === 'validationContext') return certificateRow(name, 'CA', state, pemOf(type.value.trustedCa), now);
    return certificateRow(name, '', state, '', now);
  });
}

export function secretTable(rows: readonly SecretRow[]): string {
  return formatTable(
    ['RESOURCE NAME', 'TYPE', 'STATUS', 'VALID CERT', 'SERIAL NUMBER', 'NOT AFTER', 'NOT BEFORE'],
    rows.map((row) => [row.name, row.type, row.status, String(row.valid), row.serialNumber, row.notAfter, row.notBefore]),
  );
}
