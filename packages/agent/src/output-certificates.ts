import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, type Logger } from '@xebec/core';
import type { CertificateManager } from './certificate-manager.ts';

/**
 * Writes the workload's certificate to a directory at each rotation, for applications that do TLS themselves (OUTPUT_CERTS):
 * `cert-chain.pem`, `key.pem`, `root-cert.pem`. The key is readable by its owner alone. Each file is replaced as a whole.
 */
export function outputCertificates(directory: string, manager: CertificateManager, logger: Logger): () => void {
  let writing: Promise<void> = Promise.resolve();
  let written = '';
  const write = async () => {
    const certificate = manager.current();
    const trust = manager.trust.current();
    if (certificate === undefined || trust === undefined) return;
    const roots = [...new Set(trust.domains.flatMap((domain) => domain.roots))].join('');
    const state = `${certificate.serialNumber}\n${roots}`;
    if (state === written) return;
    try {
      await mkdir(directory, { recursive: true });
      const put = async (name: string, text: string, mode: number) => {
        const staged = join(directory, `.${name}.new`);
        await writeFile(staged, text, { mode });
        await rename(staged, join(directory, name));
      };
      await put('root-cert.pem', roots, 0o644);
      await put('key.pem', certificate.privateKeyPem, 0o600);
      await put('cert-chain.pem', certificate.certificateChainPem, 0o644);
      written = state;
    } catch (error) {
      logger.error({ code: 'E_OUTPUT_CERTS', directory }, `the certificate cannot be written for the application: ${errorText(error)}`);
    }
  };
  const soon = () => {
    writing = writing.then(write);
  };
  const stops = [manager.subscribe(soon), manager.trust.subscribe(soon)];
  soon();
  return () => {
    for (const stop of stops) stop();
  };
}
