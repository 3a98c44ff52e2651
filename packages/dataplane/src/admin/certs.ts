import { X509Certificate } from 'node:crypto';
import type { DataplaneState } from '../dataplane.ts';
import { readDataSource } from '../tls/secret-store.ts';

/** `/certs`: what every secret holds, without keys. */
export function certificates(state: DataplaneState): object {
  const found = [...state.secrets.staticSecrets, ...state.secrets.dynamicSecrets].flatMap(
    ({ name, current }): { name: string; cert_chain: object[]; ca_cert: object[] }[] => {
      const type = current?.type;
      if (type?.case === 'tlsCertificate')
        return [{ name, cert_chain: describe(readDataSource(type.value.certificateChain)), ca_cert: [] }];
      if (type?.case === 'validationContext') return [{ name, cert_chain: [], ca_cert: describe(readDataSource(type.value.trustedCa)) }];
      return [];
    },
  );
  return { certificates: found };
}

function describe(pem: Buffer | undefined): object[] {
  const blocks = pem?.toString().match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => {
    const certificate = new X509Certificate(block);
    const until = Date.parse(certificate.validTo);
    return {
      path: '<inline>',
      serial_number: certificate.serialNumber.toLowerCase(),
      subject_alt_names: (certificate.subjectAltName ?? '')
        .split(', ')
        .filter((text) => text !== '')
        .map((text) => (text.startsWith('URI:') ? { uri: text.slice(4) } : { dns: text.replace(/^DNS:/, '') })),
      days_until_expiration: String(Math.max(0, Math.floor((until - Date.now()) / 86_400_000))),
      valid_from: new Date(certificate.validFrom).toISOString(),
      expiration_time: new Date(until).toISOString(),
    };
  });
}
