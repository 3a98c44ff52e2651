import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CertificateFiles } from './bootstrap.ts';

/** A CA and one P-256 workload certificate that it signed, as Citadel makes them. */
export function makeCertificates(folder: string): CertificateFiles {
  const file = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`openssl ${args[0]} failed: ${stderr}`);
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  openssl('req', '-x509', ...newKey, '-keyout', file('ca-key.pem'), '-out', file('ca.pem'), '-days', '2', '-subj', '/O=bench CA');
  openssl('req', ...newKey, '-keyout', file('key.pem'), '-out', file('request.pem'), '-subj', '/O=bench');
  writeFileSync(file('extensions'), 'subjectAltName=URI:spiffe://cluster.local/ns/bench/sa/bench,DNS:localhost,IP:127.0.0.1\n');
  const issuer = ['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem'), '-CAcreateserial'];
  openssl('x509', '-req', '-in', file('request.pem'), ...issuer, '-out', file('cert.pem'), '-days', '2', '-extfile', file('extensions'));
  return { certificate: file('cert.pem'), key: file('key.pem'), ca: file('ca.pem') };
}
