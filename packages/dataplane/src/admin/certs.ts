import { X509Certificate } from 'node:crypto';
import type { DataplaneState } from '../dataplane-state.ts';
import type { CertificateSource } from '../tls/secret-store.ts';
import { subjectNames } from '../tls/subject-names.ts';

/** `/certs`: the certificates of every TLS context in use, without keys. */
export function certificates(state: DataplaneState): object {
  const found = [...state.secrets.contexts].map(({ material }) => ({
    ca_cert: material.trusted.flatMap(describe),
    cert_chain: material.chains.flatMap(describe),
  }));
  return { certificates: found };
}

const sanFields: Readonly<Record<string, string>> = { uri: 'uri', dns: 'dns', ip: 'ip_address' };

/** The first certificate of a file or text; nothing of one that cannot be read. */
function describe({ path, pem }: CertificateSource): object[] {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    return [];
  }
  const until = Date.parse(certificate.validTo);
  const names = subjectNames(certificate.subjectAltName);
  return [
    {
      path,
      serial_number: certificate.serialNumber.toLowerCase(),
      // Envoy's order.
      subject_alt_names: Object.entries({ dns: 'dns', uri: 'uri', ip: 'ip' }).flatMap(([kind]) =>
        names.filter((name) => name.kind === kind).map(({ value }) => ({ [sanFields[kind] ?? kind]: value })),
      ),
      days_until_expiration: String(Math.max(0, Math.floor((until - Date.now()) / 86_400_000))),
      valid_from: seconds(Date.parse(certificate.validFrom)),
      expiration_time: seconds(until),
    },
  ];
}

/** Protobuf's JSON leaves out a fraction of nothing. */
const seconds = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
