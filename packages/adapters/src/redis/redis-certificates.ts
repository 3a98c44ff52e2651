import { readFileSync } from 'node:fs';
import { err, errorText, ok, type Result } from '@xebec/core';

/** The PEM certificates of `spec.params.caCertificates`, a file; nothing where it is not given. */
export function readCertificates(file: string | undefined): Result<{ readonly caCertificates?: string }> {
  if (file === undefined) return ok({});
  try {
    return ok({ caCertificates: readFileSync(file, 'utf8') });
  } catch (error) {
    return err([{ path: 'spec.params.caCertificates', message: `cannot read ${file}: ${errorText(error)}` }]);
  }
}
